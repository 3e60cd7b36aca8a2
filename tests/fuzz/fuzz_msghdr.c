/*
 * Message headers in hostile memory: the caller is this process, whose pointers lead into a mapping that ends at a hole.
 * What is read stays inside its room, what is sent is never more than the caller named, and addresses and control data
 * of any bytes are decoded or refused.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/sys.h"
#include "features/netmsg.h"
#include "supervisor/childmem.h"
#include "supervisor/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 4, PAGE = 4096, SIZE = PAGES * PAGE };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int copy_in(const struct call *call, void *to, uint64_t from, size_t len)
{
	return childmem_read(call->tid, from, to, len) < 0 ? -EFAULT : 0;
}

static int copy_out(const struct call *call, uint64_t to, const void *from, size_t len)
{
	return childmem_write(call->tid, to, from, len) < 0 ? -EFAULT : 0;
}

static ssize_t gather(const struct call *call, void *to, size_t len, const struct piece *from, size_t count, uint64_t skip)
{
	ssize_t n = childmem_gather(call->tid, to, len, from, count, skip);

	check(n <= (ssize_t)len);
	return n < 0 ? -EFAULT : n;
}

static size_t budget;           /* pieces may name the same bytes again and again, which takes long and finds nothing */

/* Reads all that it is given, as the kernel would, and takes half of it. */
static ssize_t take(const struct call *call, int sock, const struct outgoing *m, int flags)
{
	volatile uint8_t sum = 0;
	struct addr addr;

	(void)call;
	(void)sock;
	(void)flags;
	check(m->name_len <= MESSAGE_NAME_MAX && m->control_len <= MESSAGE_CONTROL_MAX);
	if (m->name)
		addr_from_sockaddr(m->name, m->name_len, &addr);
	for (size_t i = 0; i < m->control_len; i++)
		sum ^= ((const uint8_t *)m->control)[i];
	for (size_t i = 0; i < m->len; i++)
		sum ^= ((const uint8_t *)m->data)[i];
	(void)sum;
	if (m->control_len) {
		struct control control;
		control_translate(call, m->control, m->control_len, false, &control);
		control_fini(&control);
	}
	if (m->len > budget)
		return -EAGAIN;
	budget -= m->len;
	return m->len > 1 ? (ssize_t)(m->len / 2) : (ssize_t)m->len;
}

static int no_wait(const struct call *call, int sock, int flags)
{
	(void)call;
	(void)sock;
	(void)flags;
	return -EAGAIN;
}

static const struct kernel_ops ops = {
	.copy_in = copy_in, .copy_out = copy_out, .gather = gather, .send = take, .wait_to_send = no_wait,
};

static int64_t act(const struct call *call, int sock, struct message *m, int flags, void *arg)
{
	int64_t rc = message_send(call, sock, m, flags, *(bool *)arg);

	check(rc < 0 || (uint64_t)rc <= m->total);
	return rc;
}

/* SIZE bytes with nothing mapped behind them. */
static char *memory_before_hole(void)
{
	static char *memory;

	if (!memory) {
		memory = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(memory != MAP_FAILED && munmap(memory + SIZE, PAGE) == 0);
	}
	return memory;
}

/* Offsets in the input become pointers: a word below twice the size of the memory is one into it, or into the hole. */
static void make_pointers(char *start, size_t len, const char *memory)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, start + i, sizeof word);
		if (word < 0x10000 || word >= 0x10000 + SIZE + PAGE)
			continue;
		word = word - 0x10000 + (uint64_t)(uintptr_t)memory;
		memcpy(start + i, &word, sizeof word);
	}
}

/* One byte says stream or not and whether on a worker, one how many messages, two where the first is; the rest is memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *memory = memory_before_hole();
	struct progress progress = { 0 };
	struct call call = { .kernel = &ops, .progress = &progress, .tid = getpid() };

	if (size < 4)
		return 0;
	size_t len = size - 4 < SIZE ? size - 4 : SIZE;
	memset(memory, 0, SIZE);
	memcpy(memory, data + 4, len);
	make_pointers(memory, len, memory);
	bool stream = data[0] & 1;
	budget = 1 << 20;
	call.may_wait = data[0] & 2;
	call.raw[1] = (uint64_t)(uintptr_t)memory + (data[2] | (uint64_t)data[3] << 8) % SIZE;
	call.raw[2] = data[1];
	message_send_batch(&call, 0, act, &stream);
	check(progress.messages <= MESSAGE_BATCH_MAX);
	return 0;
}
