#include "dist/shm_map.h"

#include "dist/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static ts_status failed(const char *what)
{
    return ts_error(TS_ERR_RUN, "shared memory: %s: %s", what, strerror(errno));
}

static ts_status map_fd(int fd, size_t size_bytes, ts_shm_map *map)
{
    void *base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return failed("mmap");
    map->base = base, map->size_bytes = size_bytes;
    return TS_OK;
}

ts_status ts_shm_make(int size, ts_shm_map *map, ts_shm_ticket *ticket)
{
    *map = (ts_shm_map){ .fd = -1 };
    if (size > TS_SHM_MOST / TS_SHM_SLOTS / 4096)
        return ts_error(TS_ERR_RUN, "shared memory: %d processes are too many", size);
    const size_t bytes = ts_shm_bytes(size);
    map->fd = memfd_create("tessera", MFD_CLOEXEC);
    if (map->fd < 0)
        return failed("memfd_create");
    ts_status st = ftruncate(map->fd, (off_t)bytes) == 0 ? TS_OK : failed("ftruncate");
    if (st == TS_OK)
        st = map_fd(map->fd, bytes, map);
    if (st != TS_OK) {
        ts_shm_leave(map);
        return st;
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    ((ts_shm_head *)map->base)->cookie = t.tv_sec * 1000000000 + t.tv_nsec;
    *ticket = (ts_shm_ticket){ .pid = getpid(), .fd = map->fd, .size_bytes = (int64_t)bytes,
                               .cookie = ((ts_shm_head *)map->base)->cookie };
    return TS_OK;
}

/* The file behind /proc could be somebody else's where processes do not share their numbering
 * (containers): size and cookie tell. */
ts_status ts_shm_join(const ts_shm_ticket *ticket, ts_shm_map *map)
{
    *map = (ts_shm_map){ .fd = -1 };
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)ticket->pid,
             (long long)ticket->fd);
    struct stat s;
    if (stat(path, &s) != 0)
        return failed(path);
    if (!S_ISREG(s.st_mode) || s.st_size != ticket->size_bytes)
        return ts_error(TS_ERR_RUN, "shared memory: %s is something else", path);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return failed(path);
    const ts_status st = map_fd(fd, (size_t)ticket->size_bytes, map);
    close(fd);
    TS_TRY(st);
    if (((ts_shm_head *)map->base)->cookie != ticket->cookie) {
        ts_shm_leave(map);
        return ts_error(TS_ERR_RUN, "shared memory: %s is another job's", path);
    }
    return TS_OK;
}

void ts_shm_leave(ts_shm_map *map)
{
    if (map->base)
        munmap(map->base, map->size_bytes);
    if (map->fd >= 0)
        close(map->fd);
    *map = (ts_shm_map){ .fd = -1 };
}
