/*
 * What kind of file the kernel would make of an executable. Everything is read by offset from a file that somebody else
 * wrote: no size or offset in it is believed before it was compared with what is there.
 */
#include "run/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"

#define PHDRS_MAX 128           /* program headers looked at; real programs have about a dozen */
#define DYNAMIC_MAX 1024        /* entries of the dynamic section looked at */
#define STRINGS_MAX (16U << 20) /* libraries with many symbols have megabytes of names */

/* Numbers of elf.h; by value, because older copies of it lack some. */
static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ 3, "32-bit x86" },  { 62, "x86-64" },     { 183, "aarch64" },       { 40, "32-bit ARM" },
	{ 243, "RISC-V" },    { 21, "64-bit POWER" }, { 22, "s390x" },        { 258, "LoongArch" },
	{ 8, "MIPS" },        { 20, "32-bit POWER" }, { 43, "64-bit SPARC" }, { 247, "BPF" },
};

const char *image_machine(uint16_t machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return NULL;
}

uint16_t image_native_machine(void)
{
#if defined(__x86_64__)
	return 62;
#else
	return 183;
#endif
}

/* 0, -EINVAL when the file ends before, or -errno. */
static int read_whole(int fd, void *buf, size_t len, uint64_t at)
{
	ssize_t n = fd_read_at(fd, buf, len, at);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EINVAL;
}

/* --- scripts --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The rules of the kernel's binfmt_script: blanks, the interpreter, blanks, and the rest as one argument. */
static bool parse_script(const char *head, size_t len, struct image *out)
{
	const char *end = memchr(head, '\n', len);
	const char *at = head + 2;
	bool whole = end != NULL || len < IMAGE_HEAD;
	size_t name = 0;

	if (!end)
		end = head + strnlen(head, len);
	while (end > at && is_blank(end[-1]))
		end--;
	while (at < end && is_blank(*at))
		at++;
	while (at + name < end && at[name] && !is_blank(at[name]))
		name++;
	if (name == 0 || (!whole && at + name == end))
		return false;           /* no name, or a name cut off by the kernel's buffer */
	memcpy(out->interp, at, name);
	out->interp[name] = '\0';
	at += name;
	while (at < end && is_blank(*at))
		at++;
	size_t rest = at < end ? strnlen(at, (size_t)(end - at)) : 0;

	memcpy(out->arg, at, rest);
	out->arg[rest] = '\0';
	return true;
}

/* --- ELF --- */

struct segments {
	Elf64_Phdr at[PHDRS_MAX];
	size_t len;
};

static int read_segments(int fd, const Elf64_Ehdr *header, struct segments *out)
{
	if (header->e_phentsize != sizeof(Elf64_Phdr))
		return -EINVAL;
	out->len = header->e_phnum < PHDRS_MAX ? header->e_phnum : PHDRS_MAX;
	return read_whole(fd, out->at, out->len * sizeof(Elf64_Phdr), header->e_phoff);
}

static const Elf64_Phdr *segment_of(const struct segments *segments, uint32_t type)
{
	for (size_t i = 0; i < segments->len; i++)
		if (segments->at[i].p_type == type)
			return &segments->at[i];
	return NULL;
}

static bool is_native_elf(const unsigned char *head)
{
	Elf64_Ehdr header;

	memcpy(&header, head, sizeof header);
	return header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
	       header.e_machine == image_native_machine();
}

static int read_loader(int fd, const unsigned char *head, struct image *out)
{
	struct segments segments;
	Elf64_Ehdr header;

	memcpy(&header, head, sizeof header);
	int rc = read_segments(fd, &header, &segments);
	if (rc < 0)
		return rc;
	const Elf64_Phdr *interp = segment_of(&segments, PT_INTERP);
	if (!interp)
		return 0;
	if (interp->p_filesz < 2 || interp->p_filesz > sizeof out->interp)
		return -EINVAL;
	rc = read_whole(fd, out->interp, interp->p_filesz, interp->p_offset);
	if (rc == 0 && out->interp[interp->p_filesz - 1] != '\0')
		rc = -EINVAL;
	if (rc < 0)
		out->interp[0] = '\0';
	return rc;
}

static int parse_elf(int fd, const unsigned char *head, struct image *out)
{
	bool little = head[EI_DATA] != ELFDATA2MSB;

	out->kind = IMAGE_ELF;
	out->machine = (uint16_t)(little ? head[18] | head[19] << 8 : head[19] | head[18] << 8);
	out->native = is_native_elf(head);
	if (!out->native)
		return 0;
	int rc = read_loader(fd, head, out);
	if (rc == -EINVAL)
		out->kind = IMAGE_UNKNOWN;
	return rc == -EINVAL ? 0 : rc;
}

/* A byte that text may hold; what is above ASCII may be letters. */
static bool is_text_byte(unsigned char c)
{
	return c >= ' ' ? c != 0x7f : c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static bool is_text(const unsigned char *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_text_byte(head[i]))
			return false;
	return true;
}

int image_read(int fd, struct image *out)
{
	unsigned char head[IMAGE_HEAD] = { 0 };
	ssize_t len = fd_read_at(fd, head, sizeof head, 0);

	out->kind = IMAGE_UNKNOWN;
	out->native = false;
	out->machine = 0;
	out->interp[0] = '\0';
	out->arg[0] = '\0';
	if (len < 0)
		return (int)len;
	if (len >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0)
		return parse_elf(fd, head, out);
	if (len >= 2 && head[0] == '#' && head[1] == '!' && parse_script((const char *)head, (size_t)len, out))
		out->kind = IMAGE_SCRIPT;
	else if (len == 0)
		out->kind = IMAGE_EMPTY;
	else if (is_text(head, (size_t)len))
		out->kind = IMAGE_TEXT;
	return 0;
}

/* --- needed libraries --- */

/* The file offset of a virtual address; false when no segment of the file holds it. */
static bool file_offset(const struct segments *segments, uint64_t address, uint64_t *out)
{
	for (size_t i = 0; i < segments->len; i++) {
		const Elf64_Phdr *one = &segments->at[i];

		if (one->p_type != PT_LOAD || address < one->p_vaddr || address - one->p_vaddr >= one->p_filesz)
			continue;
		return !__builtin_add_overflow(one->p_offset, address - one->p_vaddr, out);
	}
	return false;
}

struct dynamic {
	Elf64_Dyn at[DYNAMIC_MAX];
	size_t len;
};

static uint64_t dynamic_value(const struct dynamic *dynamic, int64_t tag)
{
	for (size_t i = 0; i < dynamic->len; i++)
		if (dynamic->at[i].d_tag == tag)
			return dynamic->at[i].d_un.d_val;
	return 0;
}

static int read_dynamic(int fd, const struct segments *segments, struct dynamic *out)
{
	const Elf64_Phdr *where = segment_of(segments, PT_DYNAMIC);
	size_t count = where ? where->p_filesz / sizeof(Elf64_Dyn) : 0;

	if (count > DYNAMIC_MAX)
		count = DYNAMIC_MAX;
	out->len = 0;
	if (count == 0)
		return 0;
	int rc = read_whole(fd, out->at, count * sizeof(Elf64_Dyn), where->p_offset);
	if (rc < 0)
		return rc;
	while (out->len < count && out->at[out->len].d_tag != DT_NULL)
		out->len++;
	return 0;
}

static int read_strings(int fd, const struct segments *segments, const struct dynamic *dynamic,
			struct image_needs *out, size_t *len)
{
	uint64_t size = dynamic_value(dynamic, DT_STRSZ);
	uint64_t offset;

	if (size == 0 || size > STRINGS_MAX || !file_offset(segments, dynamic_value(dynamic, DT_STRTAB), &offset))
		return -EINVAL;
	char probe;
	uint64_t last = offset + size - 1;
	/* Look at the last byte first: a small file must not make us ask for megabytes. */
	int rc = last < offset ? -EINVAL : read_whole(fd, &probe, 1, last);
	if (rc < 0)
		return rc;
	out->strings = mem_alloc(size + 1);
	if (!out->strings)
		return -ENOMEM;
	*len = size;
	return read_whole(fd, out->strings, size, offset);
}

static int collect(const struct dynamic *dynamic, size_t len, struct image_needs *out)
{
	for (size_t i = 0; i < dynamic->len; i++) {
		int64_t tag = dynamic->at[i].d_tag;

		if (tag != DT_NEEDED && tag != DT_RPATH && tag != DT_RUNPATH)
			continue;
		if (dynamic->at[i].d_un.d_val >= len)
			return -EINVAL;
		const char *text = out->strings + dynamic->at[i].d_un.d_val;

		if (tag == DT_RPATH)
			out->rpath = text;
		else if (tag == DT_RUNPATH)
			out->runpath = text;
		else if (out->count < IMAGE_NEEDED_MAX)
			out->needed[out->count++] = text;
	}
	return 0;
}

static int fill_needs(int fd, struct image_needs *out)
{
	unsigned char head[sizeof(Elf64_Ehdr)];
	struct segments segments;
	struct dynamic dynamic;
	Elf64_Ehdr header;
	size_t len = 0;
	int rc = read_whole(fd, head, sizeof head, 0);

	if (rc < 0)
		return rc;
	if (memcmp(head, ELFMAG, SELFMAG) != 0 || !is_native_elf(head))
		return -EINVAL;
	memcpy(&header, head, sizeof header);
	rc = read_segments(fd, &header, &segments);
	if (rc == 0)
		rc = read_dynamic(fd, &segments, &dynamic);
	if (rc < 0 || dynamic.len == 0 || dynamic_value(&dynamic, DT_STRTAB) == 0)
		return rc;
	rc = read_strings(fd, &segments, &dynamic, out, &len);
	return rc < 0 ? rc : collect(&dynamic, len, out);
}

int image_needs(int fd, struct image_needs *out)
{
	*out = (struct image_needs){ 0 };
	int rc = fill_needs(fd, out);
	if (rc < 0)
		image_needs_fini(out);
	return rc;
}

void image_needs_fini(struct image_needs *needs)
{
	mem_free(needs->strings);
	*needs = (struct image_needs){ 0 };
}
