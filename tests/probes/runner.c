/* probe-runner: the probes as a program of their own, run by the integration tests with and without a sandbox. */
#include "probes.h"

int main(int argc, char **argv)
{
	return probe_main(argc, argv);
}
