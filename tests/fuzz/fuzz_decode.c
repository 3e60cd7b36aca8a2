/*
 * Notifications with hostile registers and memory: the caller is this process, whose pointers lead into a mapping that
 * ends at a hole. Decoding must stay inside its box and end every path and name with a NUL.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "supervisor/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 4, PAGE = 4096 };

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* PAGES of memory with nothing mapped behind them; the bytes end at the hole. */
static char *memory_before_hole(void)
{
	static char *memory;

	if (!memory) {
		memory = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(memory != MAP_FAILED && munmap(memory + PAGES * PAGE, PAGE) == 0);
	}
	return memory;
}

static void look_at(const struct call *call)
{
	for (int i = 0; i < 6; i++) {
		const struct call_arg *arg = &call->arg[i];

		if (arg->is_null)
			continue;
		if (arg->role == ROLE_PATH)
			check(arg->path && strlen(arg->path) < PATH_MAX);
		if (arg->role == ROLE_NAME)
			check(arg->path && strlen(arg->path) < DECODE_NAME_MAX);
		if (arg->role == ROLE_BYTES && arg->bytes.len)
			check(arg->bytes.len <= DECODE_BYTES_MAX && arg->bytes.data);
		if (arg->role == ROLE_SOCKADDR)
			check(arg->bytes.len <= DECODE_SOCKADDR_MAX && arg->bytes.data);
	}
}

/* Two bytes choose the call; for each argument one byte says how and eight are the value; the rest is memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { HEAD = 2 + 6 * 9 };
	static struct call_box box;
	struct sc_notif n = { .id = 1, .pid = (uint32_t)getpid() };
	char *memory = memory_before_hole();

	if (size < HEAD)
		return 0;
	size_t len = size - HEAD < PAGES * PAGE ? size - HEAD : PAGES * PAGE;
	char *start = memory + PAGES * PAGE - len;

	memset(memory, 'a', PAGES * PAGE);
	memcpy(start, data + HEAD, len);
	n.data.nr = (data[0] | data[1] << 8) % 1100;
	for (int i = 0; i < 6; i++) {
		const uint8_t *from = data + 2 + i * 9;
		uint64_t value;

		memcpy(&value, from + 1, sizeof value);
		if (from[0] % 4 == 1)
			value = (uint64_t)(uintptr_t)start + value % (len + 2);
		else if (from[0] % 4 == 2)
			value = (uint64_t)(uintptr_t)memory + value % (PAGES * PAGE);
		else if (from[0] % 4 == 3)
			value %= 70000;
		n.data.args[i] = value;
	}
	decode_registers(&box, &n);
	if (box.call.info && decode_arguments(&box) == 0)
		look_at(&box.call);
	return 0;
}
