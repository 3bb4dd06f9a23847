/* Who holds a device's memory: each allocation with the part of the model and the phase of the step in which it was
 * made, where somebody asked for it (ts_device.holders). What is booked without an address has a row by its kind.
 * One that there is no room for is counted as lost, and nothing fails. */
#ifndef TS_DEVICE_HOLDERS_H
#define TS_DEVICE_HOLDERS_H
#include "base/str.h"
#include "device/ledger.h"

/* Allocations of one size, made in one place. */
typedef struct ts_holder {
    ts_mem_kind kind;
    const char *phase, *part; /* literals; phase NULL: before the first step, or between steps */
    int64_t layer;            /* -1: none */
    int64_t size;             /* bytes of each; 0: booked, `bytes` is all */
    int64_t count, bytes;     /* that there are */
} ts_holder;

typedef struct ts_holder_list {
    ts_holder *v; /* [n] */
    size_t n, cap;
} ts_holder_list;

typedef struct ts_holders ts_holders;

/* now [kinds]: what is held already. */
ts_status ts_holders_create(const int64_t *now, ts_holders **out) TS_NODISCARD;
void ts_holders_destroy(ts_holders **h);

/* The ledger has booked it, and says where the program is. */
void ts_holders_take(ts_holders *h, const ts_mem_ledger *m, ts_mem_kind kind, const void *p, int64_t bytes);
void ts_holders_book(ts_holders *h, const ts_mem_ledger *m, ts_mem_kind kind, int64_t bytes);
/* Before the ledger books that it goes. */
void ts_holders_give(ts_holders *h, const void *p);

/* What is held now, and was at the highest moment. Released by ts_holder_list_deinit. */
ts_status ts_holders_now(const ts_holders *h, ts_holder_list *out) TS_NODISCARD;
ts_status ts_holders_peak(const ts_holders *h, ts_holder_list *out) TS_NODISCARD;
void ts_holder_list_deinit(ts_holder_list *l);
size_t ts_holders_lost(const ts_holders *h);

/* One row for all layers and sizes of a kind, phase and part, largest first. */
ts_status ts_holder_list_by_part(const ts_holder_list *l, ts_holder_list *out) TS_NODISCARD;
/* What b has more than a of each place and size, or less (bytes below 0), largest first. */
ts_status ts_holder_list_growth(const ts_holder_list *a, const ts_holder_list *b, ts_holder_list *out) TS_NODISCARD;
/* Lines of text: kind, where, how many, bytes. plan: another list of that form, whose bytes stand beside; NULL:
 * none. At most `most` rows, the rest in one. */
ts_status ts_holder_list_table(const ts_holder_list *l, const ts_holder_list *plan, size_t most, ts_str *out) TS_NODISCARD;
#endif
