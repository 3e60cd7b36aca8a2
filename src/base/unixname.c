/* What a unix socket address says. */
#include "base/unixname.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

int unix_name_read(const void *address, size_t len, struct unix_name *out)
{
	struct sockaddr_un name = { 0 };

	*out = (struct unix_name){ 0 };
	if (len < PATH_AT || len > sizeof name)
		return -EINVAL;
	memcpy(&name, address, len);
	if (name.sun_family != AF_UNIX)
		return -EINVAL;
	if (len == PATH_AT)
		return 0;
	size_t room = len - PATH_AT;
	if (name.sun_path[0] == '\0') {
		out->kind = UNIX_ABSTRACT;
		out->len = room - 1;
		memcpy(out->text, name.sun_path + 1, room - 1);
		return 0;
	}
	out->kind = UNIX_PATH;
	out->len = strnlen(name.sun_path, room);
	memcpy(out->text, name.sun_path, out->len);
	return 0;
}

void unix_name_show(const struct unix_name *name, char *out)
{
	if (name->kind != UNIX_ABSTRACT) {
		memcpy(out, name->text, name->len + 1);
		return;
	}
	*out++ = '@';
	for (size_t i = 0; i < name->len; i++)
		*out++ = name->text[i] ? name->text[i] : '@';
	*out = '\0';
}

size_t unix_address_of(int pinned, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int len = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d", pinned);
	return PATH_AT + (size_t)len + 1;
}
