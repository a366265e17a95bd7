/* What survives when the power goes, for tests: preloaded into a process, it keeps a copy of each file
 * as of its last sync, and of each folder's names as of its last sync. Nothing else survives.
 *
 * SYNCED_ROOT: the folder that is watched. SYNCED_COPY: where the copies go: files/INODE, and
 * names/!PATH with ! for /, one line "INODE d|f NAME" for each name. SYNCED_LIES=1: syncs do nothing.
 * sync_file_range promises nothing and so keeps nothing. Nothing is really synced: the machine goes on.
 *
 * SYNCED_FAIL: when there is a file of this name, it is removed and the next sync of a file fails. As
 * Linux has it, what that sync should have kept is to be read afterwards, and is forgotten all the same:
 * no later sync keeps it, unless it is written again. SYNCED_FORGETS=1: not even then.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
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

#define PAGE 4096
#define FILES 256
/* Pages that a failed sync has forgotten. */
static struct forgotten {
    ino_t inode;
    size_t pages;
    unsigned char *page;
} forgotten[FILES];
/* Until one sync has failed, writes cost nothing. */
static volatile int has_failed;

static struct forgotten *forgotten_of(ino_t inode) {
    for (size_t i = 0; i < FILES; i++)
        if (forgotten[i].pages && forgotten[i].inode == inode) return &forgotten[i];
    return NULL;
}

static int is_forgotten(ino_t inode, off_t at) {
    struct forgotten *of = forgotten_of(inode);
    size_t page = (size_t)at / PAGE;
    return of && page < of->pages && of->page[page];
}

/* What was written is dirty again: a later sync keeps it. */
static void written(int fd, off_t at, ssize_t length) {
    struct stat what;
    const char *forgets = getenv("SYNCED_FORGETS");
    if (!has_failed || length <= 0 || (forgets && *forgets == '1') || fstat(fd, &what) != 0) return;
    pthread_mutex_lock(&alone);
    struct forgotten *of = forgotten_of(what.st_ino);
    for (off_t page = at / PAGE; of && page <= (at + length - 1) / PAGE; page++)
        if ((size_t)page < of->pages) of->page[page] = 0;
    pthread_mutex_unlock(&alone);
}

/* The sync of a file fails: what differs from its copy is forgotten. */
static void forget(int from, ino_t inode, const char *copies) {
    char path[PATH_MAX], now[PAGE], then[PAGE];
    struct stat what;
    if (fstat(from, &what) != 0) return;
    snprintf(path, sizeof path, "%s/files/%lu", copies, (unsigned long)inode);
    int copy = open(path, O_RDONLY | O_CLOEXEC);
    struct forgotten *of = forgotten_of(inode);
    for (size_t i = 0; !of && i < FILES; i++)
        if (!forgotten[i].pages) of = &forgotten[i];
    if (!of) abort();
    size_t pages = (size_t)what.st_size / PAGE + 1;
    unsigned char *page = calloc(pages, 1);
    if (!page) abort();
    for (size_t i = 0; i < pages; i++) {
        ssize_t a = pread(from, now, PAGE, (off_t)(i * PAGE));
        ssize_t b = copy < 0 ? -1 : pread(copy, then, PAGE, (off_t)(i * PAGE));
        page[i] = a != b || (a > 0 && memcmp(now, then, (size_t)a) != 0);
    }
    if (copy >= 0) close(copy);
    free(of->page);
    *of = (struct forgotten){inode, pages, page};
    has_failed = 1;
}

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
    int before = has_failed ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, block, sizeof block, at)) > 0) {
        for (off_t in = 0; has_failed && in < got; in += PAGE) {
            size_t size = got - in < PAGE ? (size_t)(got - in) : PAGE;
            if (!is_forgotten(inode, at + in)) continue;
            memset(block + in, 0, size);
            if (before >= 0 && pread(before, block + in, size, at + in) < 0) break;
        }
        if (fwrite(block, 1, (size_t)got, copy) != (size_t)got) break;
        at += got;
    }
    if (before >= 0) close(before);
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
        const char *fail = getenv("SYNCED_FAIL");
        if (from >= 0 && fail && *fail && unlink(fail) == 0) {
            forget(from, what.st_ino, copies);
            done = -1;
        } else {
            done = from < 0 ? -1 : copy_file(from, what.st_ino, copies);
        }
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

/* Writes go on as they would; what they write is noted. */
ssize_t pwrite64(int fd, const void *octets, size_t length, off64_t at) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    ssize_t done = next(fd, octets, length, at);
    written(fd, at, done);
    return done;
}
ssize_t pwrite(int fd, const void *octets, size_t length, off_t at) {
    return pwrite64(fd, octets, length, at);
}
ssize_t write(int fd, const void *octets, size_t length) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    ssize_t done = next(fd, octets, length);
    if (has_failed && done > 0) written(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}
