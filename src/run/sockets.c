/* From the user's words to socket grants; known sockets that control the host. */
#include "run/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
	const char *path;
	const char *what;
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
	{ NULL, "/tmp/.X11-unix/X0", "your X11 display: keys can be read and typed" },
	{ NULL, "/tmp/.X11-unix/X1", "your X11 display: keys can be read and typed" },
	{ NULL, "/tmp/.X11-unix/X2", "your X11 display: keys can be read and typed" },
	{ NULL, "/tmp/.X11-unix/X3", "your X11 display: keys can be read and typed" },
	{ "XDG_RUNTIME_DIR", "/wayland-0", "your Wayland display" },
	{ "XDG_RUNTIME_DIR", "/wayland-1", "your Wayland display" },
	{ "WAYLAND_DISPLAY", "", "your Wayland display" },
	{ "XDG_RUNTIME_DIR", "/pulse/native", "your sound server: it can load modules" },
};

/* Only a name that the grants cover as it stands costs system calls: this runs at every start. */
static const char *reached(const struct control_socket *row, const struct socket_grants *s, const struct grants *files,
			   char canonical[PATH_SIZE])
{
	const char *base = row->base ? getenv(row->base) : "";
	char path[PATH_SIZE];
	struct stat st;

	if (!base || (row->base && base[0] != '/'))
		return NULL;
	int len = snprintf(path, sizeof path, "%s%s", base, row->path);
	if (len < 0 || (size_t)len >= sizeof path || !socket_granted_by(s, files, path))
		return NULL;
	if (path_canonical(AT_FDCWD, path, canonical) < 0 || stat(canonical, &st) < 0 || !S_ISSOCK(st.st_mode))
		return NULL;
	return socket_granted_by(s, files, canonical);
}

void control_sockets(const struct socket_grants *s, const struct grants *files,
		     void (*each)(const char *path, const char *what, const char *granted_by, void *arg), void *arg)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(control_rows); i++) {
		const char *by = reached(&control_rows[i], s, files, path);

		if (by)
			each(path, control_rows[i].what, by, arg);
	}
}
