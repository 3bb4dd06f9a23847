/* Which fields of a record hold what: told by its content, or by the words of LLaMA-Factory's dataset_info.json and of
 * --map-keys. */
#ifndef TS_DATA_INSTRUCT_FORM_H
#define TS_DATA_INSTRUCT_FORM_H
#include "base/choice.h"
#include "base/json.h"

typedef enum ts_record_style {
    TS_STYLE_TOLD,   /* by each record's content */
    TS_STYLE_FIELDS, /* a text a field: Alpaca's */
    TS_STYLE_TURNS,  /* a list of turns: ShareGPT's, OpenAI's */
} ts_record_style;

/* Fields, in dataset_info.json "columns". */
#define TS_COLUMNS(W)                                                                                              \
    W(TS_COLUMN_PROMPT, "prompt")                                                                                  \
    W(TS_COLUMN_QUERY, "query")                                                                                    \
    W(TS_COLUMN_RESPONSE, "response")                                                                              \
    W(TS_COLUMN_HISTORY, "history")                                                                                \
    W(TS_COLUMN_MESSAGES, "messages")                                                                              \
    W(TS_COLUMN_SYSTEM, "system")                                                                                  \
    W(TS_COLUMN_TOOLS, "tools")                                                                                    \
    W(TS_COLUMN_CHOSEN, "chosen")                                                                                  \
    W(TS_COLUMN_REJECTED, "rejected")                                                                              \
    W(TS_COLUMN_KTO_TAG, "kto_tag")
enum { TS_COLUMNS(TS_CHOICE_VALUE) TS_N_COLUMNS };

/* What turns say, "tags": the keys of a turn, then the words for who speaks. */
#define TS_TAGS(W)                                                                                                 \
    W(TS_TAG_ROLE, "role_tag")                                                                                     \
    W(TS_TAG_CONTENT, "content_tag")                                                                               \
    W(TS_TAG_USER, "user_tag")                                                                                     \
    W(TS_TAG_ASSISTANT, "assistant_tag")                                                                           \
    W(TS_TAG_OBSERVATION, "observation_tag")                                                                       \
    W(TS_TAG_FUNCTION, "function_tag")                                                                             \
    W(TS_TAG_SYSTEM, "system_tag")
enum { TS_TAGS(TS_CHOICE_VALUE) TS_N_TAGS };

typedef struct ts_record_form {
    ts_record_style style;
    const char *column[TS_N_COLUMNS]; /* the record's name for it; NULL: there is none */
    const char *tag[TS_N_TAGS];
    json_t *names; /* owns the texts that are not constants */
} ts_record_form;

/* Told by content. */
void ts_record_form_init(ts_record_form *f);
void ts_record_form_deinit(ts_record_form *f);
/* By a JSON text of --map-keys: {"prompt": "question", "query": "", ..., "tags": {...}}; an empty name: no such
 * field. */
ts_status ts_record_form_map(ts_record_form *f, const char *map_keys) TS_NODISCARD;
/* By a formatting, alpaca, sharegpt or openai, and the names of --map-keys, NULL: none. */
ts_status ts_record_form_map_as(ts_record_form *f, const char *formatting, const char *map_keys) TS_NODISCARD;
/* By the entry `name` of FOLDER/dataset_info.json; path: its file, in the folder unless it begins with a slash. */
ts_status ts_record_form_find(ts_record_form *f, const char *folder, const char *name, ts_str *path) TS_NODISCARD;
/* Of a style that is told by the record: its columns and tags. A record that is of none is TS_ERR_USER. */
ts_status ts_record_form_of(const json_t *record, ts_record_form *out) TS_NODISCARD;
#endif
