/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a target once for each file of the folders that are named: the corpus, without a fuzzer. */
#include "fuzz.h"

#include <dirent.h>

static uint8_t *
read_whole(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	FUZZ_CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
	size = ftell(file);
	FUZZ_CHECK(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
	bytes = malloc((size_t)size + (size == 0));
	FUZZ_CHECK(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
	fclose(file);
	*ret_size = (size_t)size;
	return bytes;
}

static unsigned
replay(const char *folder)
{
	DIR *list = opendir(folder);
	unsigned count = 0;
	struct dirent *one;

	if (list == NULL) /* nothing was found yet */
		return 0;
	while ((one = readdir(list)) != NULL) {
		uint8_t *bytes;
		char path[4096];
		size_t size;

		if (one->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, one->d_name);
		/* Named before it runs: if it does not come back it is the one. */
		fprintf(stderr, "%s\n", path);
		bytes = read_whole(path, &size);
		LLVMFuzzerTestOneInput(bytes, size);
		free(bytes);
		count++;
	}
	closedir(list);
	return count;
}

int
main(int argc, char **argv)
{
	unsigned count = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		count += replay(argv[i]);
	FUZZ_CHECK(count > 0);
	printf("%u inputs\n", count);
	return 0;
}
