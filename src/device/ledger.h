/* The account of a device's memory. */
#ifndef TS_DEVICE_LEDGER_H
#define TS_DEVICE_LEDGER_H
#include "base/mem.h"

/* Bytes by kind, now and at the highest moment of their sum. */
typedef struct ts_mem_ledger {
    int64_t now[TS_MEM_KINDS], at_peak[TS_MEM_KINDS];
    int64_t total, peak;
    int64_t device_peak;   /* the highest moment without TS_MEM_SWAP, which is the second memory's */
    int64_t limit;         /* 0: none; more than this is refused (TS_ERR_NOMEM) */
    /* Where the program is, and was at the peak; literals: "backward", "attention" of a layer. */
    const char *phase, *part; /* part NULL: the phase has no parts */
    int64_t layer;            /* below 0: the part belongs to no layer */
    const char *peak_phase, *peak_part;
    int64_t peak_layer;
    double taken[TS_MEM_KINDS]; /* bytes ever booked, without what was given back */
} ts_mem_ledger;
#endif
