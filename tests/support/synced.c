/* What survives when the power goes, for tests: preloaded into a process, it keeps a copy of each file
 * as of its last sync, and of each folder's names as of its last sync. Nothing else survives.
 *
 * SYNCED_ROOT: the folder that is watched. SYNCED_COPY: where the copies go: files/INODE, and
 * names/!PATH with ! for /, one line "INODE d|f NAME" for each name. SYNCED_LIES=1: syncs do nothing.
 * sync_file_range promises nothing and so keeps nothing. Nothing is really synced: the machine goes on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;

/* Whole or not at all: the process may be killed in the middle. */
static int finish(FILE *copy, const char *unfinished, const char *path) {
    return fclose(copy) == 0 && rename(unfinished, path) == 0 ? 0 : -1;
}

static int copy_file(int from, ino_t inode, const char *copies) {
    char path[PATH_MAX], unfinished[PATH_MAX + 8], block[65536];
    snprintf(path, sizeof path, "%s/files/%lu", copies, (unsigned long)inode);
    snprintf(unfinished, sizeof unfinished, "%s.part", path);
    FILE *copy = fopen(unfinished, "w");
    if (!copy) return -1;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, block, sizeof block, at)) > 0) {
        if (fwrite(block, 1, (size_t)got, copy) != (size_t)got) break;
        at += got;
    }
    return got == 0 ? finish(copy, unfinished, path) : (fclose(copy), -1);
}

static int copy_names(const char *folder, const char *below, const char *copies) {
    char path[PATH_MAX], unfinished[PATH_MAX + 8];
    int length = snprintf(path, sizeof path, "%s/names/", copies);
    snprintf(path + length, sizeof path - (size_t)length, "!%s", below);
    for (char *c = path + length; *c; c++)
        if (*c == '/') *c = '!';
    snprintf(unfinished, sizeof unfinished, "%s.part", path);
    FILE *copy = fopen(unfinished, "w");
    DIR *names = copy ? opendir(folder) : NULL;
    if (!names) return copy ? (fclose(copy), -1) : -1;
    for (struct dirent *entry; (entry = readdir(names));)
        if (entry->d_name[0] != '.')
            fprintf(copy, "%lu %c %s\n", (unsigned long)entry->d_ino, entry->d_type == DT_DIR ? 'd' : 'f', entry->d_name);
    closedir(names);
    return finish(copy, unfinished, path);
}

static int synced(int fd) {
    const char *root = getenv("SYNCED_ROOT"), *copies = getenv("SYNCED_COPY"), *lies = getenv("SYNCED_LIES");
    char link[64], path[PATH_MAX];
    struct stat what;
    if (!root || !copies || (lies && *lies == '1')) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(fd, &what) != 0) return -1;
    path[length] = 0;
    size_t above = strlen(root);
    if (strncmp(path, root, above) != 0) return 0;
    pthread_mutex_lock(&alone);
    int done;
    if (S_ISDIR(what.st_mode)) {
        done = copy_names(path, path + above, copies);
    } else {
        /* It may have been opened for writing only. */
        int from = open(link, O_RDONLY | O_CLOEXEC);
        done = from < 0 ? -1 : copy_file(from, what.st_ino, copies);
        if (from >= 0) close(from);
    }
    pthread_mutex_unlock(&alone);
    if (done != 0) errno = EIO;
    return done;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
    (void)fd, (void)offset, (void)length, (void)flags;
    return 0;
}
