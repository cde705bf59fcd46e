/* SPDX-License-Identifier: Apache-2.0 */
/* What policy.c (who may) and policy_rules.c (the access file as it was read) share. */
#ifndef REGISTRY_POLICY_PRIVATE_H
#define REGISTRY_POLICY_PRIVATE_H

#include "policy.h"

#include <sys/stat.h>

#define POLICY_LINE_MAX 1024

enum policy_kind {
	POLICY_NOBODY, /* a word that is not understood, or a name that is not known */
	POLICY_EVERYONE,
	POLICY_USER,
	POLICY_GROUP,
	POLICY_SEAT,
};

struct policy_word {
	enum policy_kind kind;
	unsigned id;
};

struct policy_rule {
	char *driver;
	struct policy_word *words;
	unsigned count;
	char text[POLICY_LINE_MAX]; /* the words in one line */
	char where[256];	    /* file and line */
	struct policy_rule *next;
};

struct policy {
	char *file;  /* NULL: only this process's user may */
	char *seats; /* folder of logind's seats */
	struct policy_rule default_rule;
	struct policy_word default_word;
	/* Of the file as it was when it was read last. */
	struct policy_rule *rules; /* in the order of the lines */
	struct stat read;	   /* st_ino 0: there was none */
	char broken[256];	   /* why nothing in it counts; "": it does */
};

/* A number that is written out. */
bool policy_parse_id(const char *text, unsigned *ret_id);
/* `where` is named in the log if the word is not understood; NULL: nothing is said. */
void policy_parse_word(const char *text, const char *where, struct policy_word *ret_word);
/* Reads the file if it has changed. */
void policy_refresh(struct policy *policy);
void policy_forget_rules(struct policy *policy);

#endif
