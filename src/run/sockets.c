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

/* Makes canonical what exists of `head`, and appends the rest as it was typed. */
static int canonical_head(char *head, const char *tail, struct str *out)
{
	char found[PATH_SIZE];
	AUTO(str) struct str rest = STR(PATH_SIZE);
	int rc;

	str_add(&rest, tail);
	while ((rc = path_canonical(AT_FDCWD, head[0] ? head : "/", found)) == -ENOENT) {
		AUTO(str) struct str longer = STR(PATH_SIZE);

		str_addf(&longer, "/%s", path_base(head));
		str_addn(&longer, rest.buf ? rest.buf : "", rest.len);
		str_clear(&rest);
		str_addn(&rest, longer.buf, longer.len);
		if (longer.rc < 0 || !path_cut(head))
			return longer.rc < 0 ? longer.rc : -ENOENT;
	}
	if (rc < 0 || rest.rc < 0)
		return rc < 0 ? rc : rest.rc;
	str_add(out, strcmp(found, "/") == 0 && rest.len ? "" : found);
	str_addn(out, rest.buf ? rest.buf : "", rest.len);
	return out->rc;
}

static int add_word(const struct word *word, struct socket_grants *out)
{
	char head[PATH_SIZE];
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
	size_t len = literal_len(full.buf);
	while (len > 0 && full.buf[len - 1] == '/')
		len--;
	memcpy(head, full.buf, len);
	head[len] = '\0';
	int rc = canonical_head(head, full.buf + len, &made);
	return rc < 0 ? rc : socket_grants_add(out, made.buf, socket_is_pattern(full.buf), word->origin);
}

int resolve_sockets(const struct policy *p, struct socket_grants *out, struct error *err)
{
	out->by_write = !p->no_unix_write;
	for (size_t i = 0; i < p->unix_allow.len; i++) {
		const struct word *word = &p->unix_allow.at[i];
		AUTO(str) struct str shown = STR(600);
		int rc = add_word(word, out);

		if (rc == 0)
			continue;
		if (rc == -ENOMEM)
			return error_set(err, ERR_MEMORY, rc, "not enough memory for the socket grants");
		str_add_quoted(&shown, word->text, strlen(word->text));
		return error_set(err, ERR_POLICY, rc, "%s: '%s' cannot be reached: %s", word->origin,
				 shown.rc == 0 ? shown.buf : "(path)", error_text(rc));
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
	{ NULL, "/run/lxd.socket", "LXD, and through it root" },
	{ NULL, "/run/libvirt/libvirt-sock", "libvirt, and through it root" },
	{ NULL, "/run/dbus/system_bus_socket", "the system message bus" },
	{ "XDG_RUNTIME_DIR", "/bus", "your message bus: it can start programs outside" },
	{ NULL, "/run/systemd/private", "systemd" },
	{ "XDG_RUNTIME_DIR", "/systemd/private", "your systemd: it can start programs outside" },
	{ NULL, "/run/snapd.socket", "snapd" },
	{ "SSH_AUTH_SOCK", "", "your ssh keys" },
	{ "XDG_RUNTIME_DIR", "/gnupg/S.gpg-agent", "your gpg keys" },
	{ "XDG_RUNTIME_DIR", "/keyring/control", "your key ring" },
	{ NULL, "/tmp/.X11-unix/X0", "your X11 display: keys can be read and typed" },
	{ NULL, "/tmp/.X11-unix/X1", "your X11 display: keys can be read and typed" },
	{ "XDG_RUNTIME_DIR", "/wayland-0", "your Wayland display" },
	{ "XDG_RUNTIME_DIR", "/pulse/native", "your sound server: it can load modules" },
};

static bool locate(const struct control_socket *row, char canonical[PATH_SIZE])
{
	AUTO(str) struct str path = STR(PATH_SIZE);
	const char *base = row->base ? getenv(row->base) : "";
	struct stat st;

	if (!base || (row->base && base[0] != '/'))
		return false;
	str_addf(&path, "%s%s", base, row->path);
	return path.rc == 0 && path_canonical(AT_FDCWD, path.buf, canonical) == 0 && stat(canonical, &st) == 0 &&
	       S_ISSOCK(st.st_mode);
}

void control_sockets(const struct socket_grants *s, const struct grants *files,
		     void (*each)(const char *path, const char *what, const char *granted_by, void *arg), void *arg)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(control_rows); i++) {
		if (!locate(&control_rows[i], path))
			continue;
		const char *by = socket_granted_by(s, files, path);
		if (by)
			each(path, control_rows[i].what, by, arg);
	}
}
