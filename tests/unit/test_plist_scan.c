/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds of a property list, each at the limit and one past it. */
#include "unit.h"

#include "plist_scan.h"

#include <stdio.h>

static const struct plist_bounds bounds = {PLIST_NODES_MAX, PLIST_BYTES_MAX};

static char *text;
static size_t used;

static void
add(const char *piece, size_t times)
{
	size_t length = strlen(piece);

	text = realloc(text, used + times * length);
	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < times; i++, used += length)
		memcpy(text + used, piece, length);
}

static const char *
scan(void)
{
	const char *wrong = plist_scan_xml(text, used, &bounds);

	free(text);
	text = NULL;
	used = 0;
	return wrong;
}

START_TEST(xml_depth)
{
	add("<plist>", 1);
	add("<array>", PLIST_DEPTH_MAX + 1);
	ck_assert_ptr_null(scan());
	add("<plist>", 1);
	add("<array>", PLIST_DEPTH_MAX + 2);
	ck_assert_str_eq(scan(), "it is nested too deeply");
	add("<plist>", 1);
	add("<array></array><true/><![CDATA[<a><b>]]>", 100);
	ck_assert_ptr_null(scan());
}
END_TEST

START_TEST(xml_nodes)
{
	add("<true/>", PLIST_NODES_MAX);
	ck_assert_ptr_null(scan());
	add("<true/>", PLIST_NODES_MAX + 1);
	ck_assert_str_eq(scan(), "it has too many nodes");
	/* The element around the list is no node of it; what is called so behind it is one. */
	add("<plist>", 1);
	add("<true/>", PLIST_NODES_MAX);
	ck_assert_ptr_null(scan());
	add("<plist>", 1);
	add("<true/>", PLIST_NODES_MAX + 1);
	ck_assert_str_eq(scan(), "it has too many nodes");
	add("<plist/>", PLIST_NODES_MAX + 2);
	ck_assert_str_eq(scan(), "it has too many nodes");
}
END_TEST

/* `depth` arrays, one in the other, with two-byte offsets. */
static const char *
scan_binary_nest(unsigned depth)
{
	static unsigned char list[4096];
	size_t at = 8;
	unsigned char *trailer;

	memset(list, 0, sizeof(list));
	memcpy(list, "bplist00", 8);
	for (unsigned i = 1; i < depth; i++, at += 2) {
		list[at] = 0xa1;
		list[at + 1] = (unsigned char)i;
	}
	list[at++] = 0xa0;
	for (unsigned i = 0; i < depth; i++)
		list[at + 2 * i + 1] = (unsigned char)(8 + 2 * i);
	trailer = list + at + (size_t)2 * depth;
	trailer[6] = 2;
	trailer[7] = 1;
	trailer[15] = (unsigned char)depth;
	trailer[31] = (unsigned char)at;
	return plist_scan_binary(list, at + (size_t)2 * depth + 32, &bounds);
}

START_TEST(binary_depth)
{
	ck_assert_ptr_null(scan_binary_nest(PLIST_DEPTH_MAX + 1));
	ck_assert_str_eq(scan_binary_nest(PLIST_DEPTH_MAX + 2), "it is nested too deeply");
}
END_TEST

UNIT_MAIN("plist_scan", xml_depth, xml_nodes, binary_depth)
