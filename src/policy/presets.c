/* The built-in presets as data. Every path costs a few system calls at each start: the lists are short on purpose. */
#include "policy/presets.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/grants.h"
#include "policy/netpresets.h"
#include "policy/options.h"

#define R ACCESS_READ
#define RX (ACCESS_READ | ACCESS_EXEC)
#define RW (ACCESS_READ | ACCESS_WRITE)

#define FILES(rights, name) { .path = (name), .access = (rights) }
#define LINK(rights, name) { .path = (name), .access = (rights), .link = true }
#define DEVICE(rights, name, maj, min) \
	{ .path = (name), .access = (rights), .device = true, .major = (maj), .minor = (min) }

/*
 * What a dynamically linked program, an interpreter and TLS need to start: world-readable files of the system. Of /etc
 * only named files, never the folder: it has keys and passwords that root could read.
 */
static const struct preset_entry base_entries[] = {
	FILES(RX, "/usr"),
	LINK(RX, "/bin"),
	LINK(RX, "/sbin"),
	LINK(RX, "/lib"),
	LINK(RX, "/lib32"),
	LINK(RX, "/lib64"),
	LINK(RX, "/libx32"),
	/* the loader */
	FILES(R, "/etc/ld.so.cache"),
	FILES(R, "/etc/ld.so.preload"),
	FILES(R, "/etc/ld-musl-x86_64.path"),
	FILES(R, "/etc/ld-musl-aarch64.path"),
	/* names; what is only a symbolic link into /usr (os-release, alternatives) needs no row */
	FILES(R, "/etc/nsswitch.conf"),
	FILES(R, "/etc/passwd"),
	FILES(R, "/etc/group"),
	FILES(R, "/etc/hosts"),
	FILES(R, "/etc/host.conf"),
	FILES(R, "/etc/gai.conf"),
	FILES(R, "/etc/resolv.conf"),
	FILES(R, "/etc/services"),
	FILES(R, "/etc/protocols"),
	LINK(R, "/etc/localtime"),
	FILES(R, "/etc/locale.alias"),
	FILES(R, "/etc/mime.types"),
	/* what tools take for granted to such a degree that a refusal ends them: pip, wget, file */
	FILES(R, "/etc/debian_version"),
	FILES(R, "/etc/lsb-release"),
	FILES(R, "/etc/wgetrc"),
	FILES(R, "/etc/magic"),
	FILES(R, "/etc/timezone"),
	/* TLS: not /etc/ssl, whose folder "private" has keys */
	FILES(R, "/etc/ssl/certs"),
	FILES(R, "/etc/ssl/cert.pem"),
	FILES(R, "/etc/ssl/openssl.cnf"),
	FILES(R, "/etc/pki/tls/certs"),
	FILES(R, "/etc/pki/tls/openssl.cnf"),
	FILES(R, "/etc/pki/ca-trust/extracted"),
	FILES(R, "/etc/crypto-policies"),
	FILES(R, "/etc/ca-certificates/extracted"),
	FILES(R, "/var/lib/ca-certificates"),
	/* devices */
	DEVICE(RW, "/dev/null", 1, 3),
	DEVICE(RW, "/dev/zero", 1, 5),
	DEVICE(RW, "/dev/full", 1, 7),
	DEVICE(R, "/dev/random", 1, 8),
	DEVICE(R, "/dev/urandom", 1, 9),
	DEVICE(RW, "/dev/tty", 5, 0),
	/* the machine, as far as every user may see it and as run-time libraries ask for it */
	FILES(R, "/proc/cpuinfo"),
	FILES(R, "/proc/meminfo"),
	FILES(R, "/proc/stat"),
	FILES(R, "/proc/loadavg"),
	FILES(R, "/proc/uptime"),
	FILES(R, "/proc/filesystems"),
	FILES(R, "/proc/sys/kernel/osrelease"),
	FILES(R, "/proc/sys/kernel/pid_max"),
	FILES(R, "/proc/sys/kernel/random"),
	FILES(R, "/proc/sys/vm/overcommit_memory"),
	FILES(R, "/sys/devices/system/cpu"),
	FILES(R, "/sys/kernel/mm/transparent_hugepage"),
};

/* pip, venv and the user's own packages; nothing of the user's configuration, which can hold credentials. */
static const struct preset_entry python_entries[] = {
	FILES(R, "/etc/python3"),
	FILES(R, "/etc/python3.11"),
	FILES(R, "/etc/python3.12"),
	FILES(R, "/etc/python3.13"),
	FILES(R, "/etc/pip.conf"),
	FILES(RX, "~/.local/lib"),
	FILES(RW, "~/.cache/pip"),
};

static const struct preset_entry node_entries[] = {
	FILES(R, "/etc/npmrc"),
	FILES(RW, "~/.npm/_cacache"),
	FILES(RW, "~/.npm/_logs"),
	FILES(RW, "~/.cache/node-gyp"),
	FILES(RW, "~/.cache/yarn"),
	FILES(RW, "~/.local/share/pnpm"),
};

/* A C toolchain writes its intermediate files to /tmp unless TMPDIR says otherwise, so a build needs it. */
static const struct preset_entry build_entries[] = {
	FILES(RX | ACCESS_WRITE, "/tmp"),
	FILES(R, "/etc/ld.so.conf"),
	FILES(R, "/etc/ld.so.conf.d"),
	/* git ends where it cannot read one of these; not the folder, which may have a file of passwords */
	FILES(R, "/etc/gitconfig"),
	FILES(R, "~/.gitconfig"),
	FILES(R, "~/.config/git/config"),
	FILES(R, "~/.config/git/ignore"),
	FILES(R, "~/.config/git/attributes"),
	/* java's run time ends without its security settings; "management" beside them may have passwords */
	FILES(R, "/etc/java-11-openjdk/security"),
	FILES(R, "/etc/java-17-openjdk/security"),
	FILES(R, "/etc/java-21-openjdk/security"),
	FILES(R, "/etc/java-25-openjdk/security"),
	FILES(RX, "~/.cargo/bin"),
	FILES(RX, "~/.rustup"),
	FILES(RW, "~/.cargo/registry"),
	FILES(RW, "~/.cargo/git"),
	FILES(RW, "~/.cache/ccache"),
	FILES(RX | ACCESS_WRITE, "~/.cache/go-build"),
	FILES(RX | ACCESS_WRITE, "~/go/pkg"),
};

/* A coding agent: a shell, git and the language tools at once. Its workspace is the user's to grant. */
static const struct preset_entry agent_entries[] = {
	FILES(R, "/etc/profile"),
	FILES(R, "/etc/profile.d"),
	FILES(R, "/etc/bash.bashrc"),
	FILES(R, "/etc/inputrc"),
	FILES(R, "/etc/terminfo"),
	FILES(R, "/etc/shells"),
};

#define ENTRIES(table) .entries = (table), .count = ARRAY_SIZE(table)

const struct preset presets[] = {
	{ .name = "base", .help = "what a program, an interpreter and TLS need of the system in order to start",
	  ENTRIES(base_entries), .own_proc = true },
	{ .name = "python", .help = "base, the user's own packages (read) and pip's cache (write)", .includes = "base",
	  ENTRIES(python_entries) },
	{ .name = "node", .help = "base and the caches of npm, yarn and pnpm (write)", .includes = "base",
	  ENTRIES(node_entries) },
	{ .name = "build", .help = "base, /tmp (write), git's settings (read), and the tool chains and caches of C, Java, Rust and Go",
	  .includes = "base", ENTRIES(build_entries) },
	{ .name = "agent", .help = "build, and what a shell reads of its settings", .includes = "build",
	  ENTRIES(agent_entries) },
};
const size_t preset_count = ARRAY_SIZE(presets);

const struct preset *preset_by_name(struct view name)
{
	for (size_t i = 0; i < preset_count; i++)
		if (view_is(name, presets[i].name))
			return &presets[i];
	return NULL;
}

static const char *name_at(size_t index)
{
	return presets[index].name;
}

int preset_check(struct view name, const char *origin, struct error *err)
{
	AUTO(str) struct str rest = STR(256);

	if (preset_by_name(name))
		return 0;
	if (net_preset_by_name(name))
		str_addf(&rest, "it is one of the network: --net-preset %.*s", VIEW_ARG(name));
	else
		option_add_choice(&rest, name, name_at, preset_count);
	return error_set(err, ERR_USAGE, -EINVAL, "%s: there is no preset '%.*s'; %s", origin, VIEW_ARG(name),
			 rest.rc < 0 ? "" : rest.buf);
}

/* The path as the system knows it, in *out, which points into the table or into p->preset_paths. *out is NULL for a
 * path below a home directory that is not known. */
static int absolute(struct policy *p, const char *path, const char **out)
{
	AUTO(str) struct str full = STR(8192);

	*out = path[0] == '~' ? NULL : path;
	if (*out || !p->home)
		return 0;
	str_addf(&full, "%s%s", p->home, path + 1);
	if (full.rc < 0)
		return full.rc;
	int rc = words_push(&p->preset_paths, (struct view){ full.buf, full.len }, "");
	if (rc == 0)
		*out = p->preset_paths.at[p->preset_paths.len - 1].text;
	return rc;
}

static bool joined(struct policy *p, const struct preset_entry *entry, const char *path)
{
	for (size_t i = 0; i < p->preset_len; i++)
		if (strcmp(p->preset_entries[i].path, path) == 0) {
			p->preset_entries[i].access |= entry->access;
			return true;
		}
	return false;
}

static int add_entry(struct policy *p, const struct preset *preset, const struct preset_entry *entry)
{
	const char *path = NULL;
	int rc = absolute(p, entry->path, &path);

	if (rc < 0 || !path || joined(p, entry, path))
		return rc;
	struct preset_entry one = *entry;
	one.path = path;
	one.preset = preset->name;
	return VEC_PUSH(p->preset_entries, p->preset_cap, p->preset_len, one);
}

static int add_preset(struct policy *p, const struct preset *preset)
{
	int rc = 0;

	for (size_t i = 0; i < preset->count && rc == 0; i++)
		rc = add_entry(p, preset, &preset->entries[i]);
	p->own_proc |= preset->own_proc;
	return rc;
}

/* Whether an entry of the tables, whose "~" is the home directory, covers the path. */
static bool entry_covers(const struct policy *p, const struct preset_entry *entry, const char *path)
{
	size_t home = entry->path[0] == '~' && p->home ? strlen(p->home) : 0;

	if (entry->path[0] != '~')
		return path_is_beneath(path, entry->path);
	return home && strncmp(path, p->home, home) == 0 && path_is_beneath(path + home, entry->path + 1);
}

static bool is_taken(const struct policy *p, const struct preset_entry *entry, const char *path)
{
	for (size_t i = 0; i < p->preset_len; i++)
		if ((entry->access & ~p->preset_entries[i].access) == 0 && path_is_beneath(path, p->preset_entries[i].path))
			return true;
	return false;
}

const char *preset_offering(const struct policy *p, const char *path, unsigned access)
{
	for (size_t i = 0; i < preset_count; i++)
		for (size_t k = 0; k < presets[i].count; k++) {
			const struct preset_entry *entry = &presets[i].entries[k];

			if ((access & ~entry->access) == 0 && !entry->device && entry_covers(p, entry, path) &&
			    !is_taken(p, entry, path))
				return presets[i].name;
		}
	return NULL;
}

/* Included presets come first, so that an entry is named after the most general one. */
static int add_chain(struct policy *p, const struct preset *preset)
{
	const struct preset *chain[8];
	size_t depth = 0;
	int rc = 0;

	for (; preset && depth < ARRAY_SIZE(chain); depth++) {
		chain[depth] = preset;
		preset = preset->includes ? preset_by_name(view_of(preset->includes)) : NULL;
	}
	while (depth && rc == 0)
		rc = add_preset(p, chain[--depth]);
	return rc;
}

int policy_expand_presets(struct policy *p)
{
	int rc = 0;

	for (size_t i = 0; i < p->extends.len && rc == 0; i++)
		rc = add_chain(p, preset_by_name(view_of(p->extends.at[i].text)));
	return rc;
}
