/* Records of instruction and preference data as conversations in OpenAI's form. */
#ifndef TS_DATA_INSTRUCT_EXAMPLE_H
#define TS_DATA_INSTRUCT_EXAMPLE_H
#include "data/instruct/form.h"
#include "data/rows.h"

/* What a record holds. */
typedef struct ts_example {
    json_t *conversation; /* with the answer; of pairs with the chosen one */
    json_t *rejected;     /* of pairs: the same with the rejected answer */
    bool is_desirable;    /* of kto */
} ts_example;
void ts_example_deinit(ts_example *e);

/* A record that does not have what the kind asks for is TS_ERR_USER that names the field. */
ts_status ts_example_read(const ts_record_form *f, const json_t *record, ts_rows_kind kind,
                          ts_example *out) TS_NODISCARD;
/* The conversation with another's last message in place of its own (json_decref): kto's mismatched answer. */
ts_status ts_example_mismatch(const ts_example *e, const ts_example *other, json_t **out) TS_NODISCARD;
#endif
