/* Where in a record things stand: columns and tags. */
#ifndef TS_DATA_HANDLERS_COLUMNS_H
#define TS_DATA_HANDLERS_COLUMNS_H
#include "base/json.h"

#define TS_COLUMNS(W)                                                                                        \
    W(TS_COLUMN_PROMPT, "prompt")                                                                            \
    W(TS_COLUMN_QUERY, "query") W(TS_COLUMN_RESPONSE, "response") W(TS_COLUMN_HISTORY, "history")            \
        W(TS_COLUMN_SYSTEM, "system") W(TS_COLUMN_MESSAGES, "messages") W(TS_COLUMN_TOOLS, "tools")          \
            W(TS_COLUMN_CHOSEN, "chosen") W(TS_COLUMN_REJECTED, "rejected")
#define TS_COLUMN_VALUE(value_, name_) value_,
typedef enum ts_column { TS_COLUMNS(TS_COLUMN_VALUE) TS_COLUMN_COUNT } ts_column;

#define TS_TAGS(W)                                                                                           \
    W(TS_TAG_ROLE, "role_tag")                                                                               \
    W(TS_TAG_CONTENT, "content_tag") W(TS_TAG_USER, "user_tag") W(TS_TAG_ASSISTANT, "assistant_tag")         \
        W(TS_TAG_OBSERVATION, "observation_tag") W(TS_TAG_FUNCTION, "function_tag")                          \
            W(TS_TAG_SYSTEM, "system_tag")
typedef enum ts_tag { TS_TAGS(TS_COLUMN_VALUE) TS_TAG_COUNT } ts_tag;

typedef enum ts_record_form { TS_FORM_ALPACA, TS_FORM_SHAREGPT, TS_FORM_OPENAI } ts_record_form;

/* Names; NULL: not read, matches nothing. Texts are the JSON's or constant. */
typedef struct ts_columns {
    ts_record_form form;
    const char *name[TS_COLUMN_COUNT], *tag[TS_TAG_COUNT];
    json_t *json; /* --map-keys, or dataset_info.json */
    char *file;   /* of a data set of dataset_info.json; NULL: --input says it */
} ts_columns;
void ts_columns_deinit(ts_columns *c);

/* The columns of a form as MindSpeed LLM's handlers have them. */
void ts_columns_init(ts_columns *c, ts_record_form form);
/* Renames them: a JSON object (--map-keys). A name that the form has not is TS_ERR_USER. */
ts_status ts_columns_map(ts_columns *c, const char *map_keys) TS_NODISCARD;
/* Those of a data set in FOLDER/dataset_info.json. */
ts_status ts_columns_of(ts_columns *c, const char *folder, const char *name) TS_NODISCARD;
#endif
