/* Prints what getifaddrs and the functions about interface names say, one fact a line. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

static void print_address(const struct ifaddrs *i)
{
	char text[INET6_ADDRSTRLEN] = "-";
	int family = i->ifa_addr ? i->ifa_addr->sa_family : -1;

	if (family == AF_INET)
		inet_ntop(family, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, sizeof text);
	if (family == AF_INET6)
		inet_ntop(family, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, text, sizeof text);
	printf("%s %d %s\n", i->ifa_name, family, text);
}

int main(void)
{
	struct ifaddrs *all;
	struct if_nameindex *names = if_nameindex();
	char name[IF_NAMESIZE];

	if (getifaddrs(&all) < 0 || !names) {
		perror("interfaces");
		return 1;
	}
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		print_address(i);
	for (; names->if_index; names++)
		printf("%u %s\n", names->if_index, names->if_name);
	printf("%u %u %s\n", if_nametoindex("lo"), if_nametoindex("eth0"), if_indextoname(2, name) ? name : "none");
	return 0;
}
