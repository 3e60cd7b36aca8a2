/* The built-in network presets as data: TLS to the hosts that a tool is known to use, and nothing else. */
#include "policy/netpresets.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "policy/options.h"
#include "policy/presets.h"

static const char *const npm[] = {
	"tcp://registry.npmjs.org:443", "tcp://nodejs.org:443",
};

static const char *const yarn[] = {
	"tcp://registry.yarnpkg.com:443", "tcp://registry.npmjs.org:443", "tcp://repo.yarnpkg.com:443",
};

static const char *const pypi[] = {
	"tcp://pypi.org:443", "tcp://files.pythonhosted.org:443",
};

static const char *const conda[] = {
	"tcp://conda.anaconda.org:443", "tcp://repo.anaconda.com:443",
};

static const char *const crates[] = {
	"tcp://index.crates.io:443", "tcp://static.crates.io:443", "tcp://crates.io:443",
};

static const char *const rustup[] = {
	"tcp://static.rust-lang.org:443", "tcp://sh.rustup.rs:443",
};

static const char *const golang[] = {
	"tcp://proxy.golang.org:443", "tcp://sum.golang.org:443", "tcp://go.dev:443", "tcp://dl.google.com:443",
	"tcp://storage.googleapis.com:443",
};

static const char *const rubygems[] = {
	"tcp://rubygems.org:443", "tcp://index.rubygems.org:443",
};

static const char *const maven[] = {
	"tcp://repo.maven.apache.org:443", "tcp://repo1.maven.org:443",
};

static const char *const gradle[] = {
	"tcp://services.gradle.org:443", "tcp://plugins.gradle.org:443", "tcp://downloads.gradle.org:443",
	"tcp://plugins-artifacts.gradle.org:443", "tcp://repo.maven.apache.org:443", "tcp://repo1.maven.org:443",
	"tcp://github.com:443", "tcp://objects.githubusercontent.com:443", "tcp://release-assets.githubusercontent.com:443",
};

static const char *const nuget[] = {
	"tcp://api.nuget.org:443",
};

static const char *const packagist[] = {
	"tcp://repo.packagist.org:443", "tcp://packagist.org:443", "tcp://api.github.com:443",
	"tcp://codeload.github.com:443",
};

/* ssh too: git fetches over it. The last line is of large files (LFS). */
static const char *const github[] = {
	"tcp://github.com:443,22", "tcp://api.github.com:443", "tcp://codeload.github.com:443",
	"tcp://raw.githubusercontent.com:443", "tcp://objects.githubusercontent.com:443", "tcp://uploads.github.com:443",
	"tcp://release-assets.githubusercontent.com:443", "tcp://ghcr.io:443", "tcp://pkg-containers.githubusercontent.com:443",
	"tcp://gist.github.com:443,22", "tcp://ssh.github.com:443",
	"tcp://media.githubusercontent.com:443", "tcp://github-cloud.githubusercontent.com:443",
	"tcp://github-cloud.s3.amazonaws.com:443",
};

static const char *const gitlab[] = {
	"tcp://gitlab.com:443,22", "tcp://registry.gitlab.com:443",
};

/* Packages are signed, so their lists and files come without TLS. Ubuntu's installer writes mirrors by country. */
static const char *const debian[] = {
	"tcp://deb.debian.org:80,443", "tcp://security.debian.org:80,443",
};

static const char *const ubuntu[] = {
	"tcp://archive.ubuntu.com:80,443", "tcp://*.archive.ubuntu.com:80,443", "tcp://security.ubuntu.com:80,443",
	"tcp://ports.ubuntu.com:80,443",
};

static const char *const apt[] = {
	"tcp://deb.debian.org:80,443", "tcp://security.debian.org:80,443", "tcp://archive.ubuntu.com:80,443",
	"tcp://*.archive.ubuntu.com:80,443", "tcp://security.ubuntu.com:80,443", "tcp://ports.ubuntu.com:80,443",
};

static const char *const alpine[] = {
	"tcp://dl-cdn.alpinelinux.org:80,443",
};

/* Large files come from names below hf.co that change. */
static const char *const huggingface[] = {
	"tcp://huggingface.co:443", "tcp://*.huggingface.co:443", "tcp://*.hf.co:443",
};

static const char *const docker[] = {
	"tcp://registry-1.docker.io:443", "tcp://auth.docker.io:443", "tcp://production.cloudflare.docker.com:443",
	"tcp://docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com:443",
};

#define RULES(table) .rules = (table), .count = ARRAY_SIZE(table)

const struct net_preset net_presets[] = {
	{ .name = "npm", .help = "the npm registry, and node's headers for what is compiled", RULES(npm) },
	{ .name = "yarn", .help = "yarn's own hosts and the npm registry", RULES(yarn) },
	{ .name = "pypi", .help = "the Python Package Index", RULES(pypi) },
	{ .name = "conda", .help = "conda-forge and Anaconda's channels", RULES(conda) },
	{ .name = "crates", .help = "crates.io, as cargo uses it (before 1.70 it needs the preset github too)", RULES(crates) },
	{ .name = "rustup", .help = "Rust's tool chains, and the script that installs rustup", RULES(rustup) },
	{ .name = "golang", .help = "Go's module proxy, checksum database and tool chains", RULES(golang) },
	{ .name = "rubygems", .help = "RubyGems, as gem and bundler use it", RULES(rubygems) },
	{ .name = "maven", .help = "Maven Central", RULES(maven) },
	{ .name = "gradle", .help = "Gradle's distributions (kept at GitHub) and plugins, and Maven Central", RULES(gradle) },
	{ .name = "nuget", .help = "the NuGet gallery", RULES(nuget) },
	{ .name = "packagist", .help = "Packagist and the archives that composer fetches", RULES(packagist) },
	{ .name = "github", .help = "GitHub: git over TLS and ssh, gists, API, archives, releases, packages, LFS", RULES(github) },
	{ .name = "gitlab", .help = "gitlab.com: git over TLS and ssh, the API, packages", RULES(gitlab) },
	{ .name = "debian", .help = "Debian's packages (also without TLS: they are signed)", RULES(debian) },
	{ .name = "ubuntu", .help = "Ubuntu's packages (also without TLS: they are signed)", RULES(ubuntu) },
	{ .name = "apt", .help = "Debian's and Ubuntu's packages (also without TLS: they are signed)", RULES(apt) },
	{ .name = "alpine", .help = "Alpine's packages (also without TLS: they are signed)", RULES(alpine) },
	{ .name = "huggingface", .help = "models and data sets of Hugging Face", RULES(huggingface) },
	{ .name = "docker", .help = "images of Docker Hub", RULES(docker) },
};
const size_t net_preset_count = ARRAY_SIZE(net_presets);

const struct net_preset *net_preset_by_name(struct view name)
{
	for (size_t i = 0; i < net_preset_count; i++)
		if (view_is(name, net_presets[i].name))
			return &net_presets[i];
	return NULL;
}

/* Interpreted tools name themselves after their first word too: "npm install x". */
static const struct {
	const char *program;
	const char *preset;
} users[] = {
	{ "npm", "npm" },         { "npx", "npm" },      { "pnpm", "npm" },        { "node-gyp", "npm" },
	{ "yarn", "yarn" },       { "pip", "pypi" },     { "pip3", "pypi" },       { "uv", "pypi" },
	{ "poetry", "pypi" },     { "pipx", "pypi" },    { "conda", "conda" },     { "mamba", "conda" },
	{ "cargo", "crates" },    { "rustup", "rustup" }, { "go", "golang" },      { "gem", "rubygems" },
	{ "bundle", "rubygems" }, { "bundler", "rubygems" }, { "mvn", "maven" },   { "gradle", "gradle" },
	{ "dotnet", "nuget" },    { "nuget", "nuget" },  { "composer", "packagist" }, { "apt", "apt" },
	{ "apt-get", "apt" },     { "apk", "alpine" },   { "gh", "github" },       { "glab", "gitlab" },
	{ "huggingface-cli", "huggingface" }, { "hf", "huggingface" },
};

const char *net_preset_of_program(const char *comm)
{
	size_t len = strcspn(comm, " ");

	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (strlen(users[i].program) == len && strncmp(users[i].program, comm, len) == 0)
			return users[i].preset;
	return NULL;
}

static const char *name_at(size_t index)
{
	return net_presets[index].name;
}

int net_preset_check(struct view name, const char *origin, struct error *err)
{
	AUTO(str) struct str rest = STR(512);

	if (net_preset_by_name(name))
		return 0;
	if (preset_by_name(name))
		str_addf(&rest, "it is one of files: --preset %.*s", VIEW_ARG(name));
	else
		option_add_choice(&rest, name, name_at, net_preset_count);
	return error_set(err, ERR_USAGE, -EINVAL, "%s: there is no network preset '%.*s'; %s", origin, VIEW_ARG(name),
			 rest.rc < 0 ? "" : rest.buf);
}
