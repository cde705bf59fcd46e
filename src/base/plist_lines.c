/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks an XML property list tag by tag and notes the line of each key. Only what tells where
 * dictionaries begin and end is looked at; whether the list is one, libplist says. The work is
 * bounded by PLIST_LINES_MAX, whatever the file holds.
 *
 * A key with an entity in its name is noted as it is spelled in the file.
 */
#include "plist_lines.h"

#include "plist_scan.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct level {
	size_t length;	     /* of the path of the dictionary that is open here */
	unsigned dictionary; /* 0: an array */
};

struct walk {
	const char *at, *end;
	unsigned line;
	struct level levels[PLIST_DEPTH_MAX + 4];
	unsigned depth, dictionaries;
	char path[PLIST_LINES_PATH_MAX]; /* of the last key */
	struct plist_lines *lines;
};

/* Moves to the character after the next `word`, counting lines; false: there is none. */
static bool
move_past(struct walk *walk, const char *word)
{
	const char *found = memmem(walk->at, (size_t)(walk->end - walk->at), word, strlen(word));

	if (found == NULL)
		return false;
	found += strlen(word);
	for (; walk->at < found; walk->at++)
		walk->line += *walk->at == '\n';
	return true;
}

static bool
is_next(const struct walk *walk, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(walk->end - walk->at) >= length && memcmp(walk->at, word, length) == 0;
}

static unsigned
find_first(const struct plist_lines *lines, const char *path, unsigned dictionary)
{
	for (size_t i = 0; i < lines->count; i++)
		if (lines->keys[i].dictionary == dictionary &&
		    strcmp(lines->keys[i].path, path) == 0)
			return lines->keys[i].line;
	return 0;
}

/* walk->at is behind <key>. */
static bool
note_key(struct walk *walk)
{
	const struct level *level = &walk->levels[walk->depth];
	const char *name = walk->at;
	size_t before = level->length, length;
	struct plist_lines *lines = walk->lines;
	struct plist_key *key = &lines->keys[lines->count];
	unsigned line = walk->line;

	if (!move_past(walk, "</key>") || lines->count == PLIST_LINES_MAX)
		return false;
	length = (size_t)(walk->at - name) - strlen("</key>");
	if (before + length + 2 > sizeof(walk->path))
		length = sizeof(walk->path) - before - 2;
	if (before > 0)
		walk->path[before++] = ':';
	memcpy(walk->path + before, name, length);
	walk->path[before + length] = '\0';
	key->first = find_first(lines, walk->path, level->dictionary);
	key->line = line;
	key->dictionary = level->dictionary;
	key->path = strdup(walk->path);
	if (key->path == NULL)
		return false;
	lines->count++;
	return true;
}

/* A dictionary in an array has the path of the array, and so of the key before it. */
static bool
open_level(struct walk *walk, bool dictionary)
{
	size_t length = walk->levels[walk->depth].length;

	if (walk->depth + 1 == sizeof(walk->levels) / sizeof(walk->levels[0]))
		return false;
	if (walk->levels[walk->depth].dictionary != 0)
		length = strlen(walk->path);
	if (length + 2 > sizeof(walk->path))
		return false;
	walk->depth++;
	walk->levels[walk->depth].length = length;
	walk->levels[walk->depth].dictionary = dictionary ? ++walk->dictionaries : 0;
	return true;
}

static bool
close_level(struct walk *walk)
{
	if (walk->depth == 0)
		return false;
	walk->path[walk->levels[walk->depth].length] = '\0';
	walk->depth--;
	return true;
}

/* walk->at is at a '<'. */
static bool
take_tag(struct walk *walk)
{
	bool empty;

	if (is_next(walk, "<!--"))
		return move_past(walk, "-->");
	if (is_next(walk, "<![CDATA["))
		return move_past(walk, "]]>");
	if (is_next(walk, "<key>"))
		return move_past(walk, ">") && note_key(walk);
	if (is_next(walk, "</dict>") || is_next(walk, "</array>"))
		return move_past(walk, ">") && close_level(walk);
	if (!is_next(walk, "<dict") && !is_next(walk, "<array"))
		return move_past(walk, ">");
	empty = is_next(walk, "<dict/>") || is_next(walk, "<array/>");
	if (!empty && !open_level(walk, is_next(walk, "<dict")))
		return false;
	return move_past(walk, ">");
}

void
plist_lines_read(const void *bytes, size_t length, struct plist_lines *ret_lines)
{
	struct walk walk = {.at = bytes, .line = 1, .lines = ret_lines};

	walk.end = walk.at + length;
	ret_lines->count = 0;
	ret_lines->keys = calloc(PLIST_LINES_MAX + 1, sizeof(struct plist_key));
	if (ret_lines->keys == NULL || (length >= 6 && memcmp(bytes, "bplist", 6) == 0))
		return;
	while (walk.at < walk.end) {
		if (*walk.at == '<') {
			if (!take_tag(&walk))
				break;
			continue;
		}
		walk.line += *walk.at++ == '\n';
	}
}

void
plist_lines_free(struct plist_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->keys[i].path);
	free(lines->keys);
	*lines = (struct plist_lines){.keys = NULL};
}

unsigned
plist_line_of(const struct plist_lines *lines, const char *path)
{
	size_t length = strlen(path);

	while (length > 0) {
		for (size_t i = 0; i < lines->count; i++)
			if (strncmp(lines->keys[i].path, path, length) == 0 &&
			    lines->keys[i].path[length] == '\0')
				return lines->keys[i].line;
		while (length > 0 && path[--length] != ':')
			continue;
	}
	return lines->count > 0 ? 1 : 0;
}
