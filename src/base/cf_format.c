/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printf formats with %@. Each conversion is taken apart, so that its argument is read with the
 * type that it says, and is then left to printf.
 */
#include "cf_string.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "log.h"
#include "utf8.h"

/* va_list may be an array, which a struct hands on as it is. */
struct arguments {
	va_list list;
	bool failed; /* no memory to write one of them */
};

enum width {
	WIDTH_INT,
	WIDTH_CHAR,
	WIDTH_SHORT,
	WIDTH_LONG,
	WIDTH_LONG_LONG,
	WIDTH_SIZE,
	WIDTH_LONG_DOUBLE,
};

struct conversion {
	char flags[8];
	int minimum, precision; /* precision -1: none */
	enum width width;
	char letter;
};

static int
read_number(const char **at, struct arguments *arguments)
{
	int number = 0;

	if (**at == '*') {
		(*at)++;
		return va_arg(arguments->list, int);
	}
	while (**at >= '0' && **at <= '9' && number < 100000)
		number = number * 10 + (*(*at)++ - '0');
	return number;
}

static enum width
read_width(const char **at)
{
	static const struct {
		const char *text;
		enum width width;
	} widths[] = {{"hh", WIDTH_CHAR}, {"h", WIDTH_SHORT},	  {"ll", WIDTH_LONG_LONG},
		      {"l", WIDTH_LONG},  {"q", WIDTH_LONG_LONG}, {"j", WIDTH_LONG_LONG},
		      {"z", WIDTH_SIZE},  {"t", WIDTH_SIZE},	  {"L", WIDTH_LONG_DOUBLE}};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (strncmp(*at, widths[i].text, strlen(widths[i].text)) == 0) {
			*at += strlen(widths[i].text);
			return widths[i].width;
		}
	return WIDTH_INT;
}

static void
read_conversion(const char **at, struct arguments *arguments, struct conversion *ret_conversion)
{
	struct conversion conversion = {.precision = -1};
	size_t flags = 0;

	for (; **at != '\0' && strchr("-+ #0'", **at) != NULL; (*at)++)
		if (strchr(conversion.flags, **at) == NULL && flags + 2 < sizeof(conversion.flags))
			conversion.flags[flags++] = **at;
	conversion.minimum = read_number(at, arguments);
	if (conversion.minimum < 0) { /* as printf has it */
		if (strchr(conversion.flags, '-') == NULL)
			conversion.flags[flags++] = '-';
		conversion.minimum = -conversion.minimum;
	}
	if (**at == '.') {
		(*at)++;
		conversion.precision = read_number(at, arguments);
	}
	conversion.width = read_width(at);
	conversion.letter = **at;
	if (conversion.letter != '\0')
		(*at)++;
	*ret_conversion = conversion;
}

static long long
signed_argument(enum width width, struct arguments *arguments)
{
	switch (width) {
	case WIDTH_CHAR:
		return (signed char)va_arg(arguments->list, int);
	case WIDTH_SHORT:
		return (short)va_arg(arguments->list, int);
	case WIDTH_LONG:
		return va_arg(arguments->list, long);
	case WIDTH_LONG_LONG:
		return va_arg(arguments->list, long long);
	case WIDTH_SIZE:
		return va_arg(arguments->list, ssize_t);
	default:
		return va_arg(arguments->list, int);
	}
}

static unsigned long long
unsigned_argument(enum width width, struct arguments *arguments)
{
	unsigned long long value = (unsigned long long)signed_argument(width, arguments);

	switch (width) {
	case WIDTH_CHAR:
		return (unsigned char)value;
	case WIDTH_SHORT:
		return (unsigned short)value;
	case WIDTH_LONG:
	case WIDTH_SIZE:
		return (unsigned long)value;
	case WIDTH_LONG_LONG:
		return value;
	default:
		return (unsigned int)value;
	}
}

/* The conversion for printf, with the width and precision as arguments of their own. */
static void
spell(const struct conversion *conversion, const char *width, char letter, char ret_text[32])
{
	snprintf(ret_text, 32, "%%%s*.*%s%c", conversion->flags, width, letter);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void
write_integer(FILE *stream, const struct conversion *conversion, struct arguments *arguments)
{
	char letter = strchr("DUO", conversion->letter) != NULL ? (char)(conversion->letter | 0x20)
								: conversion->letter;
	char spelled[32];

	spell(conversion, "ll", letter, spelled);
	if (letter == 'd' || letter == 'i')
		fprintf(stream, spelled, conversion->minimum, conversion->precision,
			signed_argument(conversion->width, arguments));
	else
		fprintf(stream, spelled, conversion->minimum, conversion->precision,
			unsigned_argument(conversion->width, arguments));
}

static void
write_real(FILE *stream, const struct conversion *conversion, struct arguments *arguments)
{
	char spelled[32];

	if (conversion->width == WIDTH_LONG_DOUBLE) {
		spell(conversion, "L", conversion->letter, spelled);
		fprintf(stream, spelled, conversion->minimum, conversion->precision,
			va_arg(arguments->list, long double));
	} else {
		spell(conversion, "", conversion->letter, spelled);
		fprintf(stream, spelled, conversion->minimum, conversion->precision,
			va_arg(arguments->list, double));
	}
}

static void
write_text(FILE *stream, const struct conversion *conversion, const char *text)
{
	char spelled[32];

	spell(conversion, "", 's', spelled);
	fprintf(stream, spelled, conversion->minimum, conversion->precision, text);
}

#pragma GCC diagnostic pop

static void
write_character(FILE *stream, const struct conversion *conversion, struct arguments *arguments)
{
	int value = va_arg(arguments->list, int);
	uint32_t code = conversion->letter == 'C' ? (UniChar)value : (unsigned char)value;
	struct conversion plain = *conversion;
	char bytes[5] = {0};

	plain.precision = -1;
	if (conversion->letter == 'c' && code >= 0x80)
		code = UTF8_REPLACEMENT;
	utf8_put(code, bytes);
	write_text(stream, &plain, bytes);
}

static void
write_object(FILE *stream, const struct conversion *conversion, struct arguments *arguments)
{
	CFTypeRef object = va_arg(arguments->list, CFTypeRef);
	char *text = NULL;
	size_t length;
	FILE *own;
	bool done = false;

	if (conversion->minimum == 0 && conversion->precision < 0) {
		description_write(stream, object);
		return;
	}
	own = open_memstream(&text, &length);
	if (own != NULL) {
		description_write(own, object);
		done = ferror(own) == 0;
		done = fclose(own) == 0 && done;
		if (done)
			write_text(stream, conversion, text);
	}
	arguments->failed |= !done;
	free(text);
}

/* False: the conversion is not known. */
static bool
write_conversion(FILE *stream, const struct conversion *conversion, struct arguments *arguments)
{
	const char *text;

	switch (conversion->letter) {
	case '%':
		fputc('%', stream);
		return true;
	case '@':
		write_object(stream, conversion, arguments);
		return true;
	case 'd':
	case 'D':
	case 'i':
	case 'u':
	case 'U':
	case 'x':
	case 'X':
	case 'o':
	case 'O':
		write_integer(stream, conversion, arguments);
		return true;
	case 'f':
	case 'F':
	case 'e':
	case 'E':
	case 'g':
	case 'G':
	case 'a':
	case 'A':
		write_real(stream, conversion, arguments);
		return true;
	case 'c':
	case 'C':
		write_character(stream, conversion, arguments);
		return true;
	case 's':
		text = conversion->width == WIDTH_INT ? va_arg(arguments->list, const char *)
						      : NULL;
		if (conversion->width == WIDTH_INT)
			write_text(stream, conversion, text == NULL ? "(null)" : text);
		return conversion->width == WIDTH_INT;
	case 'p':
		fprintf(stream, "%*p", conversion->minimum, va_arg(arguments->list, void *));
		return true;
	default:
		return false;
	}
}

/* Bytes of no sequence, which a %s or a cut by a precision left, become U+FFFD. */
static char *
repair_take(char *text)
{
	char *repaired, *to;
	const char *at = text;

	if (text == NULL || utf8_is_valid(text))
		return text;
	repaired = to = malloc(strlen(text) * 3 + 1);
	while (repaired != NULL && *at != '\0')
		to += utf8_put(utf8_next(&at), to);
	if (repaired != NULL)
		*to = '\0';
	free(text);
	return repaired;
}

static bool
write_all(FILE *stream, const char *at, struct arguments *arguments)
{
	struct conversion conversion;
	const char *start;

	while (*at != '\0') {
		if (*at != '%') {
			fputc(*at++, stream);
			continue;
		}
		start = at++;
		read_conversion(&at, arguments, &conversion);
		if (!write_conversion(stream, &conversion, arguments)) {
			log_error("CFString format: \"%.*s\" is not known", (int)(at - start),
				  start);
			return false;
		}
	}
	return true;
}

char *
string_format(CFStringRef format, va_list list)
{
	const char *text = string_text(format, "CFString format");
	struct arguments arguments = {.failed = false};
	char *bytes = NULL;
	size_t length = 0;
	FILE *stream;
	bool done;

	stream = text == NULL ? NULL : open_memstream(&bytes, &length);
	if (stream == NULL)
		return NULL;
	va_copy(arguments.list, list);
	done = write_all(stream, text, &arguments);
	va_end(arguments.list);
	if (ferror(stream) || arguments.failed)
		done = false;
	if (fclose(stream) == 0 && done)
		return repair_take(bytes);
	free(bytes);
	return NULL;
}
