/* From the user's words to socket grants; known sockets that control the host. */
#include "run/sockets.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/listing.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sys.h"

/* --- from words to grants --- */

/* The length of the part of a path that holds no pattern: up to the last slash before it. */
static size_t literal_len(const char *path)
{
	size_t len = strcspn(path, "*?[");

	if (path[len] == '\0')
		return len;
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len;
}

/* Makes canonical what exists of the first `len` bytes of an absolute path; what follows stays as it was typed. */
static int canonical_head(const char *full, size_t len, struct str *out)
{
	char head[PATH_SIZE];
	char found[PATH_SIZE];
	int rc;

	do {
		while (len > 0 && full[len - 1] == '/')
			len--;
		snprintf(head, sizeof head, "%.*s", len > 0 ? (int)len : 1, full);
		rc = path_canonical(AT_FDCWD, head, found);
		if (rc != -ENOENT)
			break;
		while (len > 0 && full[len - 1] != '/')
			len--;
	} while (len > 0);
	if (rc < 0)
		return rc;
	str_add(out, strcmp(found, "/") == 0 && full[len] ? "" : found);
	str_add(out, full + len);
	return out->rc;
}

/* In a component, "[" without its "]" would be a byte of the name: nobody means that. */
static bool is_unclosed(const char *text)
{
	for (const char *open = strchr(text, '['); open; open = strchr(open + 1, '[')) {
		const char *close = strchr(open, ']');

		if (!close || memchr(open, '/', (size_t)(close - open)))
			return true;
	}
	return false;
}

/* What is wrong with a word that is no path; NULL: nothing. */
static const char *no_path(const char *text)
{
	if (text[0] == '@')
		return "a name of the abstract space cannot be granted: the sandbox has a space of its own (write ./@... for a file "
		       "of that name)";
	if (strncmp(text, "unix:", 5) == 0)
		return "write the path alone, without unix:";
	return is_unclosed(text) ? "a pattern's [ has no ] in the same component" : NULL;
}

static int add_word(const struct word *word, struct socket_grants *out)
{
	AUTO(str) struct str full = STR(PATH_SIZE);
	AUTO(str) struct str made = STR(PATH_SIZE);
	char cwd[PATH_SIZE];

	if (word->text[0] != '/') {
		int rc = path_canonical(AT_FDCWD, ".", cwd);
		if (rc < 0)
			return rc;
		str_addf(&full, "%s/", strcmp(cwd, "/") == 0 ? "" : cwd);
	}
	str_add(&full, word->text);
	if (full.rc < 0)
		return full.rc;

	while (full.len > 1 && full.buf[full.len - 1] == '/')
		full.buf[--full.len] = '\0';
	int rc = canonical_head(full.buf, literal_len(full.buf), &made);
	return rc < 0 ? rc : socket_grants_add(out, made.buf, socket_is_pattern(full.buf), word->origin);
}

int resolve_sockets(const struct policy *p, struct socket_grants *out, struct error *err)
{
	out->by_write = !p->no_unix_write;
	for (size_t i = 0; i < p->unix_allow.len; i++) {
		const struct word *word = &p->unix_allow.at[i];
		AUTO(str) struct str shown = STR(600);
		const char *wrong = no_path(word->text);
		int rc = wrong ? -EINVAL : add_word(word, out);

		if (rc == 0)
			continue;
		if (rc == -ENOMEM)
			return error_set(err, ERR_MEMORY, rc, "not enough memory for the socket grants");
		str_add_quoted(&shown, word->text, strlen(word->text));
		return error_set(err, ERR_POLICY, rc, "%s: '%s' cannot be reached: %s", word->origin,
				 shown.rc == 0 ? shown.buf : "(path)", wrong ? wrong : error_text(rc));
	}
	return 0;
}

/* --- sockets that control the host --- */

struct control_socket {
	const char *base;       /* an environment variable with a directory or, with no path, the socket itself; NULL */
	const char *path;       /* a "*" at the end: all names that begin so */
	const char *what;
	const char *below;      /* the variable with the directory that a relative base begins in; NULL: none does */
};

static const struct control_socket control_rows[] = {
	{ NULL, "/run/docker.sock", "the Docker engine, and through it root" },
	{ NULL, "/run/containerd/containerd.sock", "containerd, and through it root" },
	{ NULL, "/run/crio/crio.sock", "CRI-O, and through it root" },
	{ NULL, "/run/podman/podman.sock", "Podman, and through it root" },
	{ "XDG_RUNTIME_DIR", "/podman/podman.sock", "your Podman" },
	{ "XDG_RUNTIME_DIR", "/docker.sock", "your Docker engine" },
	{ "HOME", "/.docker/run/docker.sock", "your Docker engine" },
	{ "HOME", "/.docker/desktop/docker.sock", "your Docker engine" },
	{ NULL, "/run/lxd.socket", "LXD, and through it root" },
	{ NULL, "/run/libvirt/libvirt-sock", "libvirt, and through it root" },
	{ NULL, "/run/dbus/system_bus_socket", "the system message bus" },
	{ "XDG_RUNTIME_DIR", "/bus", "your message bus: it can start programs outside" },
	{ NULL, "/run/systemd/private", "systemd" },
	{ "XDG_RUNTIME_DIR", "/systemd/private", "your systemd: it can start programs outside" },
	{ NULL, "/run/snapd.socket", "snapd" },
	{ "SSH_AUTH_SOCK", "", "your ssh keys" },
	{ "XDG_RUNTIME_DIR", "/gnupg/S.gpg-agent", "your gpg keys" },
	{ "XDG_RUNTIME_DIR", "/gnupg/S.gpg-agent.ssh", "your ssh keys" },
	{ "HOME", "/.gnupg/S.gpg-agent", "your gpg keys" },
	{ "HOME", "/.gnupg/S.gpg-agent.ssh", "your ssh keys" },
	{ "XDG_RUNTIME_DIR", "/keyring/control", "your key ring" },
	{ NULL, "/tmp/.X11-unix/X*", "your X11 display: keys can be read and typed" },
	{ "XDG_RUNTIME_DIR", "/wayland-*", "your Wayland display" },
	{ "WAYLAND_DISPLAY", "", "your Wayland display", .below = "XDG_RUNTIME_DIR" },
	{ "XDG_RUNTIME_DIR", "/pulse/native", "your sound server: it can load modules" },
};

#define ENTRIES_MAX 1000        /* of a directory that anybody may fill */

struct control_search {
	const struct socket_grants *sockets;
	const struct grants *files;
	void (*each)(const char *path, const char *what, const char *granted_by, void *arg);
	void *arg;
};

/* The path of a row; false where its variables do not say one. */
static bool find_path(const struct control_socket *row, char path[PATH_SIZE])
{
	const char *base = row->base ? getenv(row->base) : "";
	const char *below = "";

	if (!base || (row->base && !*base))
		return false;
	if (row->base && base[0] != '/') {
		below = row->below ? getenv(row->below) : NULL;
		if (!below || below[0] != '/')
			return false;
	}
	int len = snprintf(path, PATH_SIZE, "%s%s%s%s", below, *below ? "/" : "", base, row->path);
	return len >= 0 && len < PATH_SIZE;
}

/* Only a name that the grants cover as it stands costs system calls: this runs at every start. */
static void look_at(const struct control_search *search, const char *path, const char *what)
{
	char canonical[PATH_SIZE];
	struct stat st;

	if (!socket_granted_by(search->sockets, search->files, path))
		return;
	if (path_canonical(AT_FDCWD, path, canonical) < 0 || stat(canonical, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	const char *by = socket_granted_by(search->sockets, search->files, canonical);

	if (by)
		search->each(canonical, what, by, search->arg);
}

static bool is_on_the_way(const char *granted, const char *dir)
{
	return path_is_beneath(granted, dir) || path_is_beneath(dir, granted);
}

/* May a grant have something in this directory? */
static bool reaches_into(const struct control_search *search, const char *dir)
{
	const struct socket_grants *s = search->sockets;
	const struct grants *files = search->files;

	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].is_pattern || is_on_the_way(s->at[i].path, dir))
			return true;
	for (size_t i = 0; s->by_write && i < files->len; i++)
		if (files->at[i].access & ACCESS_WRITE && is_on_the_way(files->at[i].path, dir))
			return true;
	return false;
}

/* All that begins with `path`; its last component is the beginning of a name. */
static void look_at_all(const struct control_search *search, char *path, const char *what)
{
	char *name = strrchr(path, '/') + 1;
	const size_t dir_len = (size_t)(name - path);
	char start[NAME_MAX + 1];
	AUTO(listing) struct listing l = { .fd = -1 };
	const char *found;
	int seen = 0;

	snprintf(start, sizeof start, "%s", name);
	name[-1] = '\0';
	if (reaches_into(search, path))
		listing_open(&l, AT_FDCWD, path);
	name[-1] = '/';
	while (seen++ < ENTRIES_MAX && (found = listing_next(&l)) != NULL) {
		if (strncmp(found, start, strlen(start)) != 0)
			continue;
		int len = snprintf(name, PATH_SIZE - dir_len, "%s", found);
		if (len > 0 && (size_t)len < PATH_SIZE - dir_len)
			look_at(search, path, what);
	}
}

void control_sockets(const struct socket_grants *s, const struct grants *files,
		     void (*each)(const char *path, const char *what, const char *granted_by, void *arg), void *arg)
{
	const struct control_search search = { s, files, each, arg };
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(control_rows); i++) {
		const struct control_socket *row = &control_rows[i];

		if (!find_path(row, path))
			continue;
		char *last = path + strlen(path) - 1;

		if (*last != '*' || !*row->path) {
			look_at(&search, path, row->what);
			continue;
		}
		*last = '\0';
		look_at_all(&search, path, row->what);
	}
}
