/* SPDX-License-Identifier: MIT */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libelf.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As many scripts as the kernel follows, one interpreter after another. */
#define MAX_SCRIPTS 5

/* The kernel looks at this much of a file to tell what it is, and cuts a longer "#!" line. */
#define HEAD_BYTES 255

const char *uvh_program_file(const struct uvh_program *program)
{
	return program->kind == UVH_PROGRAM_SCRIPT ? program->interpreter : program->path;
}

static int is_executable(const char *path)
{
	struct stat facts;

	if (stat(path, &facts) != 0)
		return -errno;
	if (!S_ISREG(facts.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
		return -EACCES;
	return 0;
}

int uvh_program_find(const char *name, char path[PATH_MAX])
{
	const char *folders = getenv("PATH");
	char refused[PATH_MAX];
	int error = -ENOENT;

	if (name[0] == '\0' || strlen(name) >= PATH_MAX)
		return -ENOENT;
	if (strchr(name, '/') != NULL) {
		snprintf(path, PATH_MAX, "%s", name);
		return is_executable(path);
	}
	if (folders == NULL)
		folders = "/bin:/usr/bin";
	for (;; folders++) {
		size_t bytes = strcspn(folders, ":");

		if (snprintf(path, PATH_MAX, "%.*s%s%s", (int) bytes, folders,
			     bytes != 0 ? "/" : "./", name) < PATH_MAX) {
			int found = is_executable(path);

			if (found == 0)
				return 0;
			if (found == -EACCES && error != -EACCES) {
				error = -EACCES;
				memcpy(refused, path, sizeof refused);
			}
		}
		folders += bytes;
		if (*folders == '\0')
			break;
	}
	if (error == -EACCES)
		memcpy(path, refused, sizeof refused);
	return error;
}

/* The next word of `*text`, closed with a NUL; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, " \t");

	if (*word == '\0')
		return NULL;
	*text = word + strcspn(word, " \t");
	if (**text != '\0')
		*(*text)++ = '\0';
	return word;
}

static bool is_env(const char *interpreter)
{
	const char *slash = strrchr(interpreter, '/');

	return strcmp(slash != NULL ? slash + 1 : interpreter, "env") == 0;
}

/* What "-S" makes env split itself: only words that it does nothing else with are read here. */
static char *split_program(char *words)
{
	char *word;

	if (words[strcspn(words, "'\"\\$#")] != '\0')
		return NULL;
	while ((word = next_word(&words)) != NULL) {
		const char *unset = NULL;

		if (strcmp(word, "-u") == 0)
			unset = next_word(&words);
		else if (strncmp(word, "--unset=", 8) == 0)
			unset = word + 8;
		else if (word[0] == '-' || strncmp(word, "PATH=", 5) == 0)
			return NULL;
		else if (strchr(word, '=') == NULL)
			return word;
		if (unset != NULL && strcmp(unset, "PATH") == 0)
			return NULL;
	}
	return NULL;
}

/*
 * The program that `env` starts, of what is behind it in a "#!" line, which the kernel hands over
 * as one argument. NULL where that cannot be told.
 */
static char *env_program(char *words)
{
	if (strncmp(words, "-S", 2) == 0)
		return split_program(words + 2);
	if (strncmp(words, "--split-string=", 15) == 0)
		return split_program(words + 15);
	return words[0] == '\0' || words[0] == '-' || strchr(words, '=') != NULL ? NULL : words;
}

/* Closes the words of a "#!" line as the kernel does; NULL: it finds no interpreter there. */
static char *script_words(char *head)
{
	char *words = head + 2, *end = strchr(words, '\n');

	if (strncmp(head, "#!", 2) != 0)
		return NULL;
	words += strspn(words, " \t");
	/* Where the path itself may have been cut, it is not one to be run. */
	if (end == NULL && strlen(head) == HEAD_BYTES && words[strcspn(words, " \t")] == '\0')
		return NULL;
	if (end == NULL)
		end = strchr(words, '\0');
	while (end > words && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (words == end)
		return NULL;
	*end = '\0';
	return words;
}

/* Reads the words of a "#!" line: `program->interpreter` is what it names. */
static int read_script(char *words, struct uvh_program *program)
{
	const char *word = next_word(&words);
	char *next = program->interpreter;

	snprintf(next, PATH_MAX, "%s", word);
	if (is_env(word)) {
		word = env_program(words + strspn(words, " \t"));
		program->behind_env = word == NULL;
		if (word != NULL) {
			int error = uvh_program_find(word, next);

			if (error != 0)
				snprintf(next, PATH_MAX, "%s", word);
			return error;
		}
	}
	return is_executable(next);
}

/* A file that the kernel refuses and that has no NUL in its first line is run by /bin/sh, as shells
   and execvp() do it. */
static bool is_text(const char *head, size_t bytes)
{
	const char *line = memchr(head, '\n', bytes);

	return memchr(head, '\0', line != NULL ? (size_t) (line - head) : bytes) == NULL;
}

int uvh_program_read(struct uvh_program *program)
{
	program->kind = UVH_PROGRAM_ELF;
	program->interpreter[0] = '\0';
	program->behind_env = false;
	for (int scripts = 0; scripts <= MAX_SCRIPTS; scripts++) {
		char head[HEAD_BYTES + 1] = {0};
		const char *file = uvh_program_file(program);
		int error = uvh_elf_read(file, &program->elf);
		ssize_t bytes;
		char *words;
		int fd;

		if (error != -ENOEXEC) {
			/* The file is there and may be executed: it was looked for before. */
			if (error == -EACCES || error == -EPERM) {
				program->kind = UVH_PROGRAM_UNREADABLE;
				return 0;
			}
			return error;
		}
		fd = open(file, O_RDONLY | O_CLOEXEC);
		bytes = fd >= 0 ? read(fd, head, HEAD_BYTES) : -1;
		if (fd >= 0)
			close(fd);
		if (bytes < 0)
			return -errno;
		words = script_words(head);
		if (words == NULL && scripts == 0 && !is_text(head, (size_t) bytes))
			return -ENOEXEC;
		/* What the kernel refuses as an interpreter, it refuses as a program. */
		error = read_script(words != NULL ? words : strcpy(head, "/bin/sh"), program);
		if (error != 0)
			return error;
		program->kind = UVH_PROGRAM_SCRIPT;
	}
	return -ELOOP;
}

static bool has_capabilities(const char *path)
{
	struct vfs_ns_cap_data data;
	ssize_t bytes = getxattr(path, "security.capability", &data, sizeof data);

	if (bytes < (ssize_t) sizeof(data.magic_etc) + (ssize_t) sizeof(data.data[0]))
		return false;
	/* The kernel shows the third revision only to those for whom it has no effect. */
	if ((data.magic_etc & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3)
		return false;
	if ((data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE) != 0 || data.data[0].permitted != 0)
		return true;
	return bytes >= (ssize_t) XATTR_CAPS_SZ_2 && data.data[1].permitted != 0;
}

/*
 * The loader ignores LD_PRELOAD where the kernel says AT_SECURE: where the program will have an
 * effective user or group that is not the real one (for Linux since 6.16: or that we do not have),
 * or, for all but root, capabilities. So a setuid-root program that root starts is like any other.
 * Writes what it is: "setuid root".
 */
static bool is_privileged(const char *path, char *what, size_t bytes)
{
	struct statvfs mount;
	struct stat facts;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (stat(path, &facts) != 0)
		return false;
	if (statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0)
		return false;
	if ((facts.st_mode & S_ISUID) != 0)
		uid = facts.st_uid;
	if ((facts.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		gid = facts.st_gid;
	if (uid != getuid() || uid != geteuid()) {
		const struct passwd *user = getpwuid(uid);

		snprintf(what, bytes, "setuid %s", user != NULL ? user->pw_name : "another user");
		return true;
	}
	if (gid != getgid() || gid != getegid()) {
		const struct group *group = getgrgid(gid);

		snprintf(what, bytes, "setgid %s",
			 group != NULL ? group->gr_name : "another group");
		return true;
	}
	if (getuid() != 0 && has_capabilities(path)) {
		snprintf(what, bytes, "a file with capabilities");
		return true;
	}
	return false;
}

static bool is_musl(const char *loader)
{
	return strstr(loader, "/ld-musl") != NULL;
}

/* Can libuvhooks.so not get in at all? Then the verdict says why. */
static bool is_out_of_reach(const struct uvh_program *program, struct uvh_verdict *verdict)
{
	const struct uvh_elf *elf = &program->elf;
	const char *file = uvh_program_file(program);
	struct uvh_elf own;
	char what[128];
	char ours[64];

	if (is_privileged(file, what, sizeof what)) {
		snprintf(verdict->why, sizeof verdict->why,
			 "%s is %s: it gets rights that you have not, so the loader ignores "
			 "LD_PRELOAD",
			 file, what);
		snprintf(
		    verdict->next, sizeof verdict->next,
		    "start it as the user that it runs as, or trace a copy of it (cp leaves the "
		    "rights behind)");
		return true;
	}
	if (program->kind == UVH_PROGRAM_UNREADABLE)
		return false;
	if (uvh_elf_read("/proc/self/exe", &own) == 0) {
		if (elf->machine != own.machine || elf->word_class != own.word_class) {
			snprintf(verdict->why, sizeof verdict->why,
				 "%s is for %s, and this uvhooks for %s", file,
				 uvh_machine_text(elf, what, sizeof what),
				 uvh_machine_text(&own, ours, sizeof ours));
			snprintf(verdict->next, sizeof verdict->next,
				 "build uvhooks for %s and use the command of that build", what);
			return true;
		}
		if (elf->loader[0] != '\0' && is_musl(elf->loader) != is_musl(own.loader)) {
			snprintf(verdict->why, sizeof verdict->why,
				 "%s is loaded by %s, and this uvhooks by %s: their C libraries "
				 "differ",
				 file, elf->loader, own.loader);
			snprintf(verdict->next, sizeof verdict->next,
				 "build uvhooks with the C library of the program");
			return true;
		}
	}
	/* The loader itself has no loader, but preloads for the program that it is told to run. */
	if (elf->loader[0] == '\0' && strncmp(elf->soname, "ld-", 3) != 0) {
		snprintf(
		    verdict->why, sizeof verdict->why,
		    "%s is statically linked: no loader runs that could bring in libuvhooks.so",
		    file);
		snprintf(verdict->next, sizeof verdict->next,
			 "use a build of it that is linked dynamically");
		return true;
	}
	return false;
}

/* The package that has a library which the loader misses, as Debian names it. */
static bool find_package(const char *reason, char package[64])
{
	const char *name = strstr(reason, "libZydis.so.");
	char version[16];

	if (name == NULL || sscanf(name, "libZydis.so.%15[0-9.]", version) != 1)
		return false;
	snprintf(package, 64, "libzydis%s", version);
	return true;
}

/* The verdict on a program of whose libuvs none is seen, this one being the first of them. */
static void judge_unseen(const struct uvh_program *program, const struct uvh_copies *copies,
			 const struct uvh_copy *copy, struct uvh_verdict *verdict)
{
	const char *file = copy->file.path;
	char package[64];

	if (copy->file.where == UVH_WHERE_LOST) {
		snprintf(verdict->why, sizeof verdict->why,
			 "%s seems to have a libuv inside, but it is stripped: its functions "
			 "cannot be found",
			 file);
		snprintf(verdict->next, sizeof verdict->next,
			 "use a build of it that is not stripped%s%s; to see only the programs "
			 "that it starts: uvhooks run -- env %s",
			 copy->file.debug[0] != '\0' ? ", or install its debug file, " : "",
			 copy->file.debug, program->name);
		return;
	}
	if (copies->forbidden) {
		snprintf(verdict->why, sizeof verdict->why,
			 "%s has a libuv inside, whose functions have to be patched: "
			 "UVHOOKS_PATCH=0 forbids it",
			 file);
		snprintf(verdict->next, sizeof verdict->next,
			 "take UVHOOKS_PATCH out of the environment");
		return;
	}
	snprintf(verdict->why, sizeof verdict->why,
		 "%s has a libuv inside, whose functions have to be patched, and what does it "
		 "cannot be loaded: %s",
		 file, copies->no_engine);
	if (find_package(copies->no_engine, package))
		snprintf(verdict->next, sizeof verdict->next, "install it: apt-get install %s",
			 package);
	else
		snprintf(verdict->next, sizeof verdict->next, "build or install uvhooks again");
}

int uvh_program_copies(const struct uvh_program *program, struct uvh_copies *copies)
{
	if (program->kind == UVH_PROGRAM_UNREADABLE) {
		*copies = (struct uvh_copies){0};
		return 0;
	}
	return uvh_copies_find(uvh_program_file(program), program->elf.loader, copies);
}

bool uvh_program_traceable(const struct uvh_program *program, const struct uvh_copies *copies,
			   struct uvh_verdict *verdict)
{
	const struct uvh_copy *unseen;

	*verdict = (struct uvh_verdict){0};
	if (is_out_of_reach(program, verdict))
		return false;
	verdict->reached = true;
	unseen = uvh_copies_unseen(copies);
	if (unseen != NULL)
		judge_unseen(program, copies, unseen, verdict);
	return unseen == NULL;
}
