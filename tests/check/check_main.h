/* Between check_main.c and check.c. */
#ifndef TS_TESTS_CHECK_MAIN_H
#define TS_TESTS_CHECK_MAIN_H
#include <stdint.h>

typedef struct check_count {
    int64_t cases, values, bad;
    double worst;    /* largest error / bound */
    char where[256];
} check_count;

void check_begin(const char *subject, const char *isa_name, uint64_t seed);
check_count check_end(void);
#endif
