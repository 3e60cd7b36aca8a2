/* One failure: what kind, which errno, one sentence for a person, and where in the user's input. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_kind {
	ERR_NONE,
	ERR_USAGE,      /* the user's words: a flag, a profile line, an argument */
	ERR_POLICY,     /* the policy contradicts itself or the file system */
	ERR_KERNEL,     /* the kernel lacks or refuses a protection */
	ERR_NOT_FOUND,  /* the program is not there */
	ERR_NOT_EXEC,   /* the program is there and may not or cannot be run */
	ERR_START,      /* a step of starting failed */
	ERR_STATE,      /* the handle is not in a state that allows the call */
	ERR_MEMORY,     /* out of memory */
	ERR_IO,         /* reading or writing a file of the user's failed */
	ERR_KIND_MAX
};

/* A value on the caller's stack: reporting needs no memory. Empty is all zero. */
struct error {
	enum err_kind kind;
	int code;               /* -errno */
	int line;               /* in a profile, from 1; 0 where there is none */
	int column;
	char text[1000];
};

/* Sets *err (may be NULL) unless it is set already, and returns rc. rc is a negative errno. */
int error_set(struct error *err, enum err_kind kind, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, with the place in a profile. */
int error_set_at(struct error *err, enum err_kind kind, int rc, int line, int column,
		 const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Puts "context: " before the sentence of a set error and returns rc. */
int error_add(struct error *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* strerror without a shared buffer: a constant English sentence such as "Permission denied". */
const char *error_text(int code);

/* "EACCES" for 13 or -13; "E?" for a number without a name. */
const char *error_name(int code);

#endif
