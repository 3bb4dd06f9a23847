/* Stands between the program and the system (the linker's --wrap): counts the calls that change
 * files, makes the n-th fail, and keeps a record from which a crash at any point can be played
 * back. Paths outside of the watched folder are left alone. */
#ifndef TS_TESTS_IO_HOOKS_H
#define TS_TESTS_IO_HOOKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum hook_kind {
    HOOK_OPEN,
    HOOK_WRITE,
    HOOK_FALLOCATE,
    HOOK_FSYNC,
    HOOK_CLOSE,
    HOOK_RENAME,
    HOOK_MKDIR,
    HOOK_REMOVE,
    HOOK_KINDS,
} hook_kind;

typedef struct hook_op {
    hook_kind kind;
    char path[128], to[128]; /* below the watched folder, "" for itself; to: RENAME */
    bool is_new;             /* OPEN: O_CREAT, with O_TRUNC; reading opens are not recorded */
    int64_t at;
    size_t n;
    unsigned char *data; /* WRITE */
} hook_op;

typedef enum hook_fault {
    HOOK_NONE,
    HOOK_FAIL,       /* the n-th call fails with `error` */
    HOOK_FAIL_ON,    /* and all after it */
    HOOK_SHORT,      /* the n-th write takes half */
    HOOK_SHORT_FULL, /* and all writes after it find the disk full */
} hook_fault;

/* Watches `folder` from now on: the n-th call (from 0) fails so. record: keeps the calls. */
void hooks_arm(const char *folder, hook_fault fault, int64_t n, int error, bool record);
/* Stops; returns whether the fault came about. */
bool hooks_disarm(void);
int64_t hooks_calls(void);
const hook_op *hooks_record(size_t *n);
void hooks_clear(void);
/* What the last faulty call was. */
const char *hooks_last(void);

/* Reading: the n-th pread fails with EIO; -1: none. */
void hooks_arm_read(int64_t n);
/* Memory: the n-th allocation fails (once); -1: none. Returns whether the one armed before did. */
bool hooks_arm_memory(int64_t n);
#endif
