/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile host's recording as `dext trace`, `dext capture` and `dext top` read it: the input is a
 * row of words that the host writes (slots, places, how far it is) and of looks in between. The
 * first byte says which file events are taken from, in which form they are shown, and whether the
 * files are scribbled over while they are read (scribbler.h).
 *
 * Whatever is in the files, no more bytes are copied than there is room for, what is shown is JSON
 * where it is to be, lines of plain text where not, and a capture file whose lengths fit.
 */
#include "scribbler.h"

#include "top.h"
#include "trace_output.h"
#include "usbmon.h"

#include <json-c/json.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define ROOM	  100u /* less than events have bytes */
#define GUARD	  0xa5
#define NEAR	  64u /* slots that are written, from where the reader begins */
#define STEPS_MAX 64u
#define PLACES	  4u

enum form { TEXT, JSON, CHROME, CAPTURE, FORMS };

static struct trace_file *files[2];
static uint64_t start; /* position where the reader begins */
static FILE *shown;
static char *shown_bytes;
static size_t shown_length;
static struct recordings all = {.command = "trace", .snap = ROOM};
static uint8_t *
	bytes; /* of the room that a capture takes; GUARD behind ROOM, where no more is asked for */

static void
map_files(void)
{
	for (unsigned what = 0; what < 2; what++) {
		files[what] = mmap(NULL, trace_length(what), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		FUZZ_CHECK(files[what] != MAP_FAILED);
	}
	shown = open_memstream(&shown_bytes, &shown_length);
	bytes = malloc(recordings_room(&all));
	FUZZ_CHECK(shown != NULL && bytes != NULL);
	FUZZ_CHECK(trace_bucket(UINT64_MAX) == TRACE_BUCKETS - 1);
}

static struct trace_slot *
slot_at(enum trace_what what, uint64_t position)
{
	size_t end = trace_length(what),
	       count = what == TRACE_CAPTURE ? TRACE_SLOTS_BYTES : TRACE_SLOTS;

	return (struct trace_slot *)((char *)files[what] + end) - count + position % count;
}

/* --- what the host writes --- */

static void
write_slot(struct trace_slot *slot, uint64_t turn, const void *words)
{
	memcpy((void *)slot->words, words, sizeof(slot->words));
	atomic_store(&slot->turn, turn);
}

static void
write_event(struct fuzz *fuzz, const struct trace_reader *reader, enum trace_what what)
{
	uint8_t how = fuzz_u8(fuzz);
	uint64_t position = how & 0x40 ? start + fuzz_u8(fuzz) % NEAR : reader->next;
	struct trace_event event = {0};

	event.kind = fuzz_u8(fuzz) % 14;
	event.number = reader->expected + (how & 8 ? fuzz_u8(fuzz) : 0);
	event.place = how & 0x10 ? TRACE_NO_PLACE : fuzz_u8(fuzz) % PLACES;
	event.time = fuzz_u32(fuzz);
	event.spent = fuzz_u16(fuzz);
	event.length = fuzz_u16(fuzz);
	event.actual = fuzz_u16(fuzz);
	event.bytes = how & 0x20 ? fuzz_u32(fuzz) : fuzz_u8(fuzz);
	event.id = fuzz_u8(fuzz);
	event.value = fuzz_u64(fuzz);
	event.status = fuzz_u8(fuzz) & 1 ? (int32_t)fuzz_u32(fuzz) : 0;
	event.flags = fuzz_u8(fuzz);
	if (how & 0x80)
		fuzz_fill(fuzz, &event, sizeof(event));
	write_slot(slot_at(what, position), position * 4 + (how & 4 ? how & 3 : TRACE_TURN_EVENT),
		   &event);
	if (!(how & 0x40))
		atomic_store(&files[what]->ring.head, position + 1 + (how & 3));
}

static void
write_bytes(struct fuzz *fuzz, const struct trace_reader *reader, enum trace_what what)
{
	uint8_t how = fuzz_u8(fuzz), words[TRACE_SLOT_BYTES];
	uint64_t position = reader->next + 1 + how % 8;

	fuzz_fill(fuzz, words, how & 0x10 ? sizeof(words) : 4);
	if (position - start < NEAR)
		write_slot(slot_at(what, position),
			   position * 4 + (how & 0x20 ? how >> 6 : TRACE_TURN_BYTES), words);
}

static void
write_place(struct fuzz *fuzz)
{
	uint8_t how = fuzz_u8(fuzz);
	struct trace_place *place = &files[TRACE_EVENTS]->places[how % PLACES];
	struct trace_owner owner = {.kind = how >> 2 & 3};

	if (how & 0x80)
		fuzz_fill(fuzz, &owner, sizeof(owner));
	else
		fuzz_fill(fuzz, owner.name, 4);
	owner.transfers = fuzz_u8(fuzz) % 5;
	owner.endpoint = fuzz_u8(fuzz);
	memcpy((void *)place->owner, &owner, sizeof(owner));
	if (how & 0x40)
		fuzz_fill(fuzz, (void *)&place->began, 64);
	atomic_store(&place->generation, how & 0x20 ? fuzz_u32(fuzz) : 1);
}

static void
write_head(struct fuzz *fuzz, enum trace_what what)
{
	uint8_t how = fuzz_u8(fuzz);
	uint64_t value = how & 1 ? fuzz_u64(fuzz) : start + fuzz_u8(fuzz);

	atomic_store(how & 2 ? &files[what]->count.events : &files[what]->ring.head, value);
}

static void
scribble_files(uint64_t random)
{
	enum trace_what what = random & 1;
	uint64_t value = random >> 16;
	struct trace_slot *slot = slot_at(what, start + (random >> 8) % 8);
	struct trace_place *place = &files[TRACE_EVENTS]->places[random >> 4 & 3];

	switch (random >> 1 & 7) {
	case 0:
		atomic_store(&files[what]->ring.head, start + value % NEAR);
		break;
	case 1:
		atomic_fetch_add(&slot->turn, value % 5);
		break;
	case 2:
		atomic_store(&slot->turn, (start + value % 8) * 4 + TRACE_TURN_EVENT);
		break;
	case 3:
		atomic_store(&place->generation, (uint32_t)value & 3);
		break;
	case 4:
		atomic_store(&place->owner[value % 7], value);
		break;
	default: /* kind, flags, count and detail; bytes; and all others */
		atomic_store(&slot->words[value % 7], value >> 3);
		break;
	}
}

/* --- what is made of it --- */

static void
check_shown(enum form form)
{
	struct json_object *object;
	uint32_t captured;

	fflush(shown);
	FUZZ_CHECK(shown_length == (size_t)ftell(shown));
	if (shown_length == 0)
		return;
	shown_bytes[shown_length] = '\0';
	for (size_t i = 0; form == TEXT && i < shown_length; i++)
		FUZZ_CHECK((uint8_t)shown_bytes[i] >= ' ' || shown_bytes[i] == '\n');
	for (char *line = shown_bytes; form == JSON && *line != '\0';) {
		char *end = strchr(line, '\n');

		FUZZ_CHECK(end != NULL);
		*end = '\0';
		object = json_tokener_parse(line);
		FUZZ_CHECK(object != NULL);
		json_object_put(object);
		line = end + 1;
	}
	if (form == CHROME) {
		object = json_tokener_parse(shown_bytes);
		FUZZ_CHECK(object != NULL);
		json_object_put(object);
	}
	/* Seconds, nanoseconds, how much is there. */
	for (size_t at = 24; form == CAPTURE && at < shown_length; at += 16 + captured) {
		FUZZ_CHECK(shown_length - at >= 16);
		memcpy(&captured, shown_bytes + at + 8, sizeof(captured));
		FUZZ_CHECK(captured >= USBMON_HEADER && captured <= shown_length - at - 16);
	}
}

static const struct trace_output *const outputs[] = {&trace_as_text, &trace_as_json,
						     &trace_as_chrome};

/* As the commands do, or with less room than there are bytes. */
static bool
read_next(struct recording *recording, enum form form, bool plain)
{
	all.capture = form == CAPTURE;
	if (!plain)
		return recordings_read(&all, recording);
	bytes[ROOM] = GUARD;
	recording->packets = 0;
	recording->data = bytes;
	if (!trace_read(&recording->reader, recording->is_over, &recording->event, bytes, ROOM,
			&recording->length))
		return false;
	FUZZ_CHECK(bytes[ROOM] == GUARD);
	return true;
}

static void
show(struct recording *recording, enum form form, bool plain)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t lost = recording->reader.lost;

		if (!read_next(recording, form, plain))
			return;
		FUZZ_CHECK(recording->length <= ROOM && recording->reader.lost >= lost);
		if (form == CAPTURE)
			usbmon_write(shown, recording);
		else if (lost != recording->reader.lost)
			outputs[form]->lost(shown, recording, recording->reader.lost - lost);
		if (form != CAPTURE)
			outputs[form]->event(shown, recording);
	}
}

static void
look(struct fuzz *fuzz, struct top_counters *last)
{
	struct top_counters now, step, total = {0};
	struct trace_owner owner;
	uint32_t generation;

	if (!trace_read_owner(files[TRACE_EVENTS], fuzz_u8(fuzz) % (PLACES + 1), &owner,
			      &generation))
		return;
	FUZZ_CHECK(memchr(owner.name, '\0', sizeof(owner.name)) != NULL);
	top_counters_read(&files[TRACE_EVENTS]->places[0], &now);
	top_counters_difference(&now, last, &step);
	top_counters_add(&total, &step);
	*last = now;
}

static void
step(struct fuzz *fuzz, struct recording *recording, enum form form, bool plain)
{
	enum trace_what what = form == CAPTURE ? TRACE_CAPTURE : TRACE_EVENTS;
	static struct top_counters last;
	uint8_t step = fuzz_u8(fuzz);

	switch (step % 8) {
	case 0:
		write_place(fuzz);
		break;
	case 1:
		write_head(fuzz, what);
		break;
	case 2:
		write_bytes(fuzz, &recording->reader, what);
		break;
	case 3:
		look(fuzz, &last);
		break;
	case 4:
	case 5:
		show(recording, form, plain);
		break;
	default:
		if (recording->reader.next - start < NEAR)
			write_event(fuzz, &recording->reader, what);
		break;
	}
}

static void
clear(void)
{
	for (unsigned what = 0; what < 2; what++) {
		memset((void *)files[what], 0, sizeof(struct trace_file));
		for (uint64_t i = 0; i < NEAR; i++)
			memset((void *)slot_at(what, start + i), 0, sizeof(struct trace_slot));
	}
	memset((void *)files[TRACE_EVENTS]->places, 0, PLACES * sizeof(struct trace_place));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	uint8_t how = fuzz_u8(&fuzz);
	enum form form = how % FORMS;
	enum trace_what what = form == CAPTURE ? TRACE_CAPTURE : TRACE_EVENTS;
	struct recording recording = {.driver = 1, .process = 2, .is_over = how & 0x40};
	struct trace_start begins = {.number = fuzz_u8(&fuzz)};

	if (shown == NULL)
		map_files();
	start = begins.position = how & 0x10 ? fuzz_u64(&fuzz) : 1000;
	recording.bytes = bytes;
	strcpy(recording.name, "org.example.driver");
	fuzz_fill(&fuzz, recording.device, 12);
	for (unsigned i = 0; i < 2; i++)
		recording.files.at[i] = files[i];
	trace_reader_init(&recording.reader, what, files[what], &begins);
	rewind(shown);
	if (form == CAPTURE)
		usbmon_begin(shown);
	else
		outputs[form]->begin(shown);
	if (how & 0x20)
		scribble_with(scribble_files, fuzz_u64(&fuzz));
	for (unsigned i = 0; i < STEPS_MAX && fuzz_left(&fuzz) > 0; i++)
		step(&fuzz, &recording, form, how & 8);
	scribble_with(NULL, 0);
	recording.is_over = true;
	show(&recording, form, how & 8);
	trace_reader_end(&recording.reader);
	if (form != CAPTURE)
		outputs[form]->end(shown);
	check_shown(form);
	clear();
	return 0;
}
