/* The models: a piece of text to ids. */
#ifndef TS_TEXT_MODEL_MODEL_H
#define TS_TEXT_MODEL_MODEL_H
#include "base/str.h"
#include "text/bpe/bpe.h"
#include "text/ids.h"
#include "text/trie.h"
#include "text/vocab.h"

typedef enum ts_token_model_kind {
    TS_MODEL_BPE,
    TS_MODEL_UNIGRAM,
    TS_MODEL_WORDPIECE,
    TS_MODEL_WORDLEVEL,
    TS_MODEL_SP_BPE,     /* SentencePiece's own */
    TS_MODEL_SP_UNIGRAM,
    TS_MODEL_SP_WORD,
    TS_MODEL_SP_CHAR,
} ts_token_model_kind;

/* Piece types of SentencePiece. */
enum { TS_SP_NORMAL = 1, TS_SP_UNKNOWN, TS_SP_CONTROL, TS_SP_USER, TS_SP_UNUSED, TS_SP_BYTE };

typedef struct ts_token_model {
    ts_token_model_kind kind;
    ts_vocab vocab;
    int32_t unk; /* -1: none */
    bool has_unk_name; /* the file names an unknown token */
    bool fuse_unk, byte_fallback, ignore_merges;
    bool raw;   /* with bytes: token texts are raw bytes as well */
    bool bytes; /* BPE over raw bytes: the byte-level alphabet was resolved when opening */
    bool has_byte_tokens; /* <0x00> to <0xFF> are all there */
    char *prefix; /* of a sub-word that continues a word; "" when there is none */
    char *suffix; /* of the end of a word; likewise */
    size_t prefix_len, suffix_len;
    /* With bytes: ids of a byte [not last, last] at the beginning of the piece and inside it. */
    int32_t byte_first[2][256], byte_rest[2][256];
    char spelt[256][2]; /* a byte in the byte-level alphabet: one byte and 0, or two bytes */
    int32_t byte_token[256]; /* <0xHH>, -1: none */
    ts_bpe bpe;
    bool cut_at_meta; /* a text may be cut before U+2581, unless joins has the byte before it */
    bool joins[256], never_cut;
    int64_t max_chars;
    /* Unigram, SentencePiece: */
    ts_trie trie;   /* piece (BPE: single characters) -> id */
    ts_trie user;   /* SentencePiece's user-defined symbols -> id */
    ts_vocab extra; /* SentencePiece BPE: characters of pieces that are none; symbol n_ids + id */
    double *score;  /* [vocab.n_ids] */
    uint8_t *type;  /* [vocab.n_ids], SentencePiece */
    double min_score, max_score;
    bool has_unused;
} ts_token_model;

typedef struct ts_lattice_node {
    double score;
    int64_t from; /* -1: not reached */
    int32_t id;
} ts_lattice_node;

typedef struct ts_token_model_work {
    bool goes_on; /* the next piece is the rest of a word (WordPiece) */
    ts_bpe_work bpe;
    ts_lattice_node *node;
    size_t node_cap;
    size_t *cut;
    size_t cut_cap;
    ts_str text;
    int32_t *pairs; /* SentencePiece BPE with unused pieces: id, left, right */
    size_t pairs_n, pairs_cap;
} ts_token_model_work;

/* Appends the ids of one piece, n > 0 bytes of valid UTF-8. */
ts_status ts_token_model_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                                size_t n, ts_ids *out) TS_NODISCARD;
void ts_token_model_deinit(ts_token_model *m);
void ts_token_model_work_deinit(ts_token_model_work *w);

/* Fills byte_token from the vocabulary's <0xHH>. */
void ts_token_model_find_bytes(ts_token_model *m);
/* Fills byte_first and byte_rest from the byte-level alphabet. */
ts_status ts_token_model_use_bytes(ts_token_model *m) TS_NODISCARD;

/* model_load.c: merges of text pairs; finds where texts may be cut before U+2581. */
ts_status ts_token_model_add_merge(ts_token_model *m, const char *a, size_t a_len, const char *b,
                                   size_t b_len, uint32_t rank, const char *file) TS_NODISCARD;
/* Every way to make a token of two others is a merge, ranked by `rank` of the token. */
ts_status ts_token_model_add_splits(ts_token_model *m, int32_t id, const char *s, size_t n,
                                    uint32_t rank,
                                    int32_t (*find)(const ts_token_model *m, const char *s,
                                                    size_t n)) TS_NODISCARD;

/* By kind; in bpe_model.c, unigram.c, wordpiece.c, sp_model.c. */
ts_status ts_bpe_encode(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                        ts_ids *out) TS_NODISCARD;
ts_status ts_unigram_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                            size_t n, ts_ids *out) TS_NODISCARD;
/* The best path: w->cut[cuts-1] down to w->cut[0] are the ends of its stretches, w->node[end].id
 * their ids. */
ts_status ts_unigram_path(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                          size_t *cuts) TS_NODISCARD;
ts_status ts_wordpiece_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                              size_t n, ts_ids *out) TS_NODISCARD;
ts_status ts_wordlevel_encode(const ts_token_model *m, const char *s, size_t n,
                              ts_ids *out) TS_NODISCARD;
ts_status ts_sp_encode(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                       ts_ids *out) TS_NODISCARD;
#endif
