/* SPDX-License-Identifier: MIT */
/* All 36 file system calls of libuv, one after the other: synchronously, then with a callback. */
#include "program.h"

#include <fcntl.h>

/*
 * A step submits one call, with the one of two requests that `current` is; the other still holds
 * what the call before gave. `callback` is NULL in the synchronous round. What a step leaves for
 * later ones (a descriptor, an open folder, a name) is in the variables below.
 */
static uv_fs_t requests[2];
static uv_fs_t *current = &requests[0];
static uv_fs_t *previous = &requests[1];
static int fd = -1;
static int other_fd = -1;
static uv_dir_t *dir;
static uv_dirent_t entries[8];
static char made[64];
static char text[] = "0123456789";

#define STEP(name) static int name(uv_loop_t *loop, uv_fs_cb callback)

STEP(open_file)
{
	return uv_fs_open(loop, current, "file", O_RDWR | O_CREAT, 0600, callback);
}

STEP(write_file)
{
	uv_buf_t buffer = uv_buf_init(text, 10);

	fd = (int) previous->result;
	return uv_fs_write(loop, current, fd, &buffer, 1, 0, callback);
}

STEP(fsync_file)
{
	CHECK(previous->result == 10);
	return uv_fs_fsync(loop, current, fd, callback);
}

STEP(fdatasync_file)
{
	return uv_fs_fdatasync(loop, current, fd, callback);
}

STEP(read_file)
{
	static char back[16];
	uv_buf_t buffer = uv_buf_init(back, sizeof back);

	return uv_fs_read(loop, current, fd, &buffer, 1, 0, callback);
}

STEP(ftruncate_file)
{
	CHECK(previous->result == 10);
	return uv_fs_ftruncate(loop, current, fd, 5, callback);
}

STEP(fstat_file)
{
	return uv_fs_fstat(loop, current, fd, callback);
}

STEP(stat_file)
{
	CHECK(previous->statbuf.st_size == 5);
	return uv_fs_stat(loop, current, "file", callback);
}

STEP(lstat_file)
{
	CHECK(previous->statbuf.st_size == 5);
	return uv_fs_lstat(loop, current, "file", callback);
}

STEP(utime_file)
{
	return uv_fs_utime(loop, current, "file", 100, 200, callback);
}

STEP(futime_file)
{
	return uv_fs_futime(loop, current, fd, 100, 200, callback);
}

STEP(lutime_file)
{
	return uv_fs_lutime(loop, current, "file", 100, 200, callback);
}

STEP(access_file)
{
	return uv_fs_access(loop, current, "file", R_OK, callback);
}

STEP(chmod_file)
{
	return uv_fs_chmod(loop, current, "file", 0640, callback);
}

STEP(fchmod_file)
{
	return uv_fs_fchmod(loop, current, fd, 0600, callback);
}

STEP(chown_file)
{
	return uv_fs_chown(loop, current, "file", (uv_uid_t) -1, (uv_gid_t) -1, callback);
}

STEP(fchown_file)
{
	return uv_fs_fchown(loop, current, fd, (uv_uid_t) -1, (uv_gid_t) -1, callback);
}

STEP(lchown_file)
{
	return uv_fs_lchown(loop, current, "file", (uv_uid_t) -1, (uv_gid_t) -1, callback);
}

STEP(link_file)
{
	return uv_fs_link(loop, current, "file", "hard", callback);
}

STEP(symlink_file)
{
	return uv_fs_symlink(loop, current, "file", "soft", 0, callback);
}

STEP(readlink_file)
{
	return uv_fs_readlink(loop, current, "soft", callback);
}

STEP(realpath_file)
{
	CHECK(strcmp(previous->ptr, "file") == 0);
	return uv_fs_realpath(loop, current, "soft", callback);
}

STEP(copyfile_file)
{
	CHECK(strcmp(strrchr(previous->ptr, '/'), "/file") == 0);
	return uv_fs_copyfile(loop, current, "file", "copy", 0, callback);
}

STEP(rename_file)
{
	return uv_fs_rename(loop, current, "copy", "renamed", callback);
}

STEP(open_renamed)
{
	return uv_fs_open(loop, current, "renamed", O_RDWR, 0, callback);
}

STEP(sendfile_file)
{
	other_fd = (int) previous->result;
	return uv_fs_sendfile(loop, current, other_fd, fd, 0, 5, callback);
}

STEP(close_renamed)
{
	CHECK(previous->result == 5);
	return uv_fs_close(loop, current, other_fd, callback);
}

STEP(close_file)
{
	return uv_fs_close(loop, current, fd, callback);
}

STEP(unlink_hard)
{
	return uv_fs_unlink(loop, current, "hard", callback);
}

STEP(unlink_soft)
{
	return uv_fs_unlink(loop, current, "soft", callback);
}

STEP(unlink_renamed)
{
	return uv_fs_unlink(loop, current, "renamed", callback);
}

STEP(scandir_folder)
{
	return uv_fs_scandir(loop, current, ".", 0, callback);
}

STEP(opendir_folder)
{
	uv_dirent_t entry;

	CHECK(previous->result == 1);
	CHECK_OK(uv_fs_scandir_next(previous, &entry));
	CHECK(strcmp(entry.name, "file") == 0);
	return uv_fs_opendir(loop, current, ".", callback);
}

STEP(readdir_folder)
{
	dir = previous->ptr;
	dir->dirents = entries;
	dir->nentries = COUNT(entries);
	return uv_fs_readdir(loop, current, dir, callback);
}

STEP(closedir_folder)
{
	CHECK(previous->result == 1);
	uv_fs_req_cleanup(previous); /* while the folder it read is open */
	return uv_fs_closedir(loop, current, dir, callback);
}

STEP(statfs_folder)
{
	return uv_fs_statfs(loop, current, ".", callback);
}

STEP(unlink_file)
{
	CHECK(previous->ptr != NULL);
	return uv_fs_unlink(loop, current, "file", callback);
}

STEP(mkdir_folder)
{
	return uv_fs_mkdir(loop, current, "folder", 0700, callback);
}

STEP(rmdir_folder)
{
	return uv_fs_rmdir(loop, current, "folder", callback);
}

STEP(mkdtemp_folder)
{
	return uv_fs_mkdtemp(loop, current, "made-XXXXXX", callback);
}

STEP(rmdir_made)
{
	snprintf(made, sizeof made, "%s", previous->path);
	return uv_fs_rmdir(loop, current, made, callback);
}

STEP(mkstemp_file)
{
	return uv_fs_mkstemp(loop, current, "made-XXXXXX", callback);
}

STEP(close_made)
{
	snprintf(made, sizeof made, "%s", previous->path);
	return uv_fs_close(loop, current, (uv_file) previous->result, callback);
}

STEP(unlink_made)
{
	return uv_fs_unlink(loop, current, made, callback);
}

static const struct {
	const char *name;
	int (*submit)(uv_loop_t *loop, uv_fs_cb callback);
} steps[] = {
    {"open", open_file},           {"write", write_file},         {"fsync", fsync_file},
    {"fdatasync", fdatasync_file}, {"read", read_file},           {"ftruncate", ftruncate_file},
    {"fstat", fstat_file},         {"stat", stat_file},           {"lstat", lstat_file},
    {"utime", utime_file},         {"futime", futime_file},       {"lutime", lutime_file},
    {"access", access_file},       {"chmod", chmod_file},         {"fchmod", fchmod_file},
    {"chown", chown_file},         {"fchown", fchown_file},       {"lchown", lchown_file},
    {"link", link_file},           {"symlink", symlink_file},     {"readlink", readlink_file},
    {"realpath", realpath_file},   {"copyfile", copyfile_file},   {"rename", rename_file},
    {"open", open_renamed},        {"sendfile", sendfile_file},   {"close", close_renamed},
    {"close", close_file},         {"unlink", unlink_hard},       {"unlink", unlink_soft},
    {"unlink", unlink_renamed},    {"scandir", scandir_folder},   {"opendir", opendir_folder},
    {"readdir", readdir_folder},   {"closedir", closedir_folder}, {"statfs", statfs_folder},
    {"unlink", unlink_file},       {"mkdir", mkdir_folder},       {"rmdir", rmdir_folder},
    {"mkdtemp", mkdtemp_folder},   {"rmdir", rmdir_made},         {"mkstemp", mkstemp_file},
    {"close", close_made},         {"unlink", unlink_made},
};

static size_t at;

static int submit_next(uv_loop_t *loop, uv_fs_cb callback)
{
	uv_fs_t *swap = current;
	int result;

	current = previous;
	previous = swap;
	result = steps[at].submit(loop, callback);
	if (at > 0)
		uv_fs_req_cleanup(previous);
	return result;
}

static void synchronous(uv_loop_t *loop)
{
	for (at = 0; at < COUNT(steps); at++)
		CHECK(submit_next(loop, NULL) >= 0);
	uv_fs_req_cleanup(current);
	printf("%d calls\n", (int) COUNT(steps));
}

static void on_step(uv_fs_t *req)
{
	CHECK(req == current);
	CHECK(req->result >= 0);
	puts(steps[at].name);
	if (++at < COUNT(steps))
		CHECK_OK(submit_next(req->loop, on_step));
	else
		uv_fs_req_cleanup(req);
}

static void with_callback(uv_loop_t *loop)
{
	at = 0;
	CHECK_OK(submit_next(loop, on_step));
}

static const struct scene scenes[] = {
    {"synchronous", synchronous},
    {"with_callback", with_callback},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
