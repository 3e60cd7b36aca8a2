/*
 * The shared libraries of a program, looked up as glibc's loader would: run path of the object, the loader's cache, the
 * default folders. It serves the explanation of a failure, so it may be slow; it is bounded.
 */
#include "run/libraries.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "run/image.h"

#define OBJECTS_MAX 256
#define CACHE_MAX (8U << 20)
#define CACHE_MAGIC "glibc-ld.so.cache1.1"
#define CACHE_FILE "/etc/ld.so.cache"
#define CACHE_ELF_MASK 0xff00U  /* the flag bits that name the processor */

static const char *const default_folders[] = {
	"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
#if defined(__x86_64__)
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
#define CACHE_ELF 0x0300U
#else
	"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
#define CACHE_ELF 0x0a00U
#endif
};

struct object {
	char *path;
};

struct walk {
	const struct library_ask *ask;
	struct library_fault *fault;
	struct object *objects;         /* to be looked at, in order; each once */
	size_t len;
	size_t cap;
	char *cache;                    /* content of the loader's cache, NULL where there is none */
	size_t cache_len;
};

static void walk_fini(struct walk *walk)
{
	for (size_t i = 0; i < walk->len; i++)
		mem_free(walk->objects[i].path);
	mem_free(walk->objects);
	mem_free(walk->cache);
}

static int add_object(struct walk *walk, const char *path)
{
	for (size_t i = 0; i < walk->len; i++)
		if (strcmp(walk->objects[i].path, path) == 0)
			return 0;
	if (walk->len == OBJECTS_MAX)
		return 0;
	struct object object = { .path = mem_strdup(path) };

	if (!object.path || VEC_PUSH(walk->objects, walk->cap, walk->len, object) < 0) {
		mem_free(object.path);
		return -ENOMEM;
	}
	return 0;
}

/* --- the loader's cache: a header, entries, and a table of names; offsets are from the start of the file --- */

struct cache_entry {
	int32_t flags;
	uint32_t key;
	uint32_t value;
	uint32_t osversion;
	uint64_t hwcap;
};

static void read_cache(struct walk *walk)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, CACHE_FILE, O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0 && fd_slurp(fd, CACHE_MAX, &walk->cache, &walk->cache_len) < 0)
		walk->cache = NULL;
}

/* fd_slurp ends the text with a NUL: any offset inside it begins a string. */
static const char *cache_text(const struct walk *walk, uint32_t offset)
{
	return offset < walk->cache_len ? walk->cache + offset : "";
}

static const char *find_in_cache(const struct walk *walk, const char *name)
{
	static const size_t header = 48;
	uint32_t count;

	if (!walk->cache || walk->cache_len < header || memcmp(walk->cache, CACHE_MAGIC, sizeof CACHE_MAGIC - 1) != 0)
		return NULL;
	memcpy(&count, walk->cache + sizeof CACHE_MAGIC - 1, sizeof count);
	for (size_t i = 0; i < count; i++) {
		size_t at = header + i * sizeof(struct cache_entry);
		struct cache_entry entry;

		if (at + sizeof entry > walk->cache_len)
			break;
		memcpy(&entry, walk->cache + at, sizeof entry);
		if (((uint32_t)entry.flags & CACHE_ELF_MASK) == CACHE_ELF && strcmp(cache_text(walk, entry.key), name) == 0)
			return cache_text(walk, entry.value);
	}
	return NULL;
}

/* --- folders --- */

/* $ORIGIN and ${ORIGIN} are the folder of the object that holds the run path. */
static void add_folder(struct str *out, struct view folder, const char *origin)
{
	static const char *const spellings[] = { "$ORIGIN", "${ORIGIN}" };

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		size_t len = strlen(spellings[i]);

		if (!view_starts(folder, spellings[i]))
			continue;
		str_add(out, origin);
		folder = (struct view){ folder.ptr + len, folder.len - len };
		break;
	}
	str_addn(out, folder.ptr, folder.len);
}

/* True when `folder`/`name` exists; its canonical name is in `found`. */
static bool try_folder(struct view folder, const char *origin, const char *name, char *found)
{
	AUTO(str) struct str path = STR(PATH_SIZE);

	if (folder.len == 0)
		return false;
	add_folder(&path, folder, origin);
	str_addc(&path, '/');
	str_add(&path, name);
	return path.rc == 0 && path_canonical(AT_FDCWD, path.buf, found) == 0;
}

static bool try_folders(const char *folders, const char *origin, const char *name, char *found)
{
	struct view rest = view_of(folders);
	bool more = true;

	while (more)
		if (try_folder(view_cut(&rest, ':', &more), origin, name, found))
			return true;
	return false;
}

static bool find_library(const struct walk *walk, const struct image_needs *needs, const char *object,
			 const char *name, char *found)
{
	const char *run_path = needs->runpath ? needs->runpath : needs->rpath;
	char origin[PATH_SIZE];

	if (strchr(name, '/'))
		return path_canonical(AT_FDCWD, name, found) == 0;
	memcpy(origin, object, strlen(object) + 1);
	path_cut(origin);
	if (run_path && try_folders(run_path, origin, name, found))
		return true;
	const char *cached = find_in_cache(walk, name);
	if (cached && cached[0] == '/' && path_canonical(AT_FDCWD, cached, found) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(default_folders); i++)
		if (try_folder(view_of(default_folders[i]), origin, name, found))
			return true;
	return false;
}

static void note_fault(struct walk *walk, const char *object, const char *name, const char *path)
{
	size_t len = strnlen(name, sizeof walk->fault->name - 1);

	memcpy(walk->fault->name, name, len);
	walk->fault->name[len] = '\0';
	memcpy(walk->fault->by, object, strlen(object) + 1);
	memcpy(walk->fault->path, path, strlen(path) + 1);
}

static bool is_granted(const struct library_ask *ask, const char *path)
{
	return grants_find(ask->have, path, ACCESS_READ) || (ask->extra && grants_find(ask->extra, path, ACCESS_READ));
}

/*
 * 1 with a fault; 0; -ENOMEM. A library that is found nowhere counts only for the program itself: a library is often
 * found by the run path of the program that loads it, which is not followed here.
 */
static int check_needs(struct walk *walk, const struct image_needs *needs, const char *object, bool first)
{
	char found[PATH_SIZE];

	for (size_t i = 0; i < needs->count; i++) {
		const char *name = needs->needed[i];
		bool there = find_library(walk, needs, object, name, found);

		if (!there && !first)
			continue;
		if (!there || !is_granted(walk->ask, found)) {
			note_fault(walk, object, name, there ? found : "");
			return 1;
		}
		if (add_object(walk, found) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int check_object(struct walk *walk, const char *object, bool first)
{
	AUTO(fd) int fd = sys_openat(AT_FDCWD, object, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	struct image_needs needs;

	if (fd < 0)
		return fd == -ENOMEM ? fd : 0;
	int rc = image_needs(fd, &needs);
	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	rc = check_needs(walk, &needs, object, first);
	image_needs_fini(&needs);
	return rc;
}

int libraries_check(const struct library_ask *ask, const char *program, struct library_fault *fault)
{
	struct walk walk = { .ask = ask, .fault = fault };
	int rc = add_object(&walk, program);

	read_cache(&walk);
	for (size_t i = 0; i < walk.len && rc == 0; i++)
		rc = check_object(&walk, walk.objects[i].path, i == 0);
	walk_fini(&walk);
	return rc;
}
