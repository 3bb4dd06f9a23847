/* Vectors of texts. */
#ifndef TS_SERVE_EMBED_H
#define TS_SERVE_EMBED_H
#include "serve/site.h"

/* Answers /v1/embeddings. */
ts_answer_fn ts_embed_answer;
#endif
