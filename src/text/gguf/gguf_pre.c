/* The names are llama.cpp's (llama-vocab.cpp), the expressions those of the models' own tokenizer.json. */
#include "text/gguf/gguf_pre.h"

#include <string.h>

#define SHORT "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
/* Words of upper and lower case, cut where lower case ends. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(more)                                                                                                    \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" more "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" more
#define CASED_REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define MARKS "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
#define HAN "\xE4\xB8\x80-\xE9\xBE\xA5"            /* U+4E00 to U+9FA5 */
#define KANA "\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF" /* U+3040 to U+309F, U+30A0 to U+30FF */
#define NO_MARKS " ?[^(\\s|.,!?\xE2\x80\xA6\xE3\x80\x82\xEF\xBC\x8C\xE3\x80\x81\xE0\xA5\xA4\xDB\x94\xD8\x8C)]+"

static const ts_gguf_pre rows[] = {
    { .names = "default", .split = { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" } },
    { .names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
      .split = { SHORT "|" WORD "|\\p{N}{1,3}" REST }, .ignore_merges = true, .add_bos = true },
    { .names = "dbrx smaug-bpe glm4 chatglm-bpe", .split = { SHORT "|" WORD "|\\p{N}{1,3}" REST } },
    { .names = "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", .split = { SHORT "|" WORD "|\\p{N}" REST }, .nfc = true },
    { .names = "stablelm2 hunyuan solar-open grok-2", .split = { SHORT "|" WORD "|\\p{N}" REST } },
    { .names = "qwen35", .nfc = true,
      .split = { SHORT "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
                 "\\s+(?!\\S)|\\s+" } },
    { .names = "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 jina-es jina-de jina-v2-es jina-v2-de "
               "gigachat a.x-4.0 mellum modern-bert",
      .gpt2 = true },
    { .names = "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", .digits = true, .gpt2 = true },
    { .names = "tekken", .split = { CASED("") "|\\p{N}" CASED_REST }, .ignore_merges = true, .add_bos = true },
    { .names = "gpt-4o llama4 kanana2 talkie minimax-m2", .split = { CASED(SHORT "?") "|\\p{N}{1,3}" CASED_REST } },
    { .names = "deepseek-coder",
      .split = { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[" HAN "\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+",
                 "\\p{N}" } },
    { .names = "deepseek-v3 hunyuan-dense joyai-llm",
      .split = { "\\p{N}{1,3}", "[" HAN KANA "]+",
                 MARKS "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
    { .names = "falcon", .split = { "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]" } },
    { .names = "bloom poro-chat gpt3-finnish", .split = { NO_MARKS } },
    { .names = "viking", .split = { NO_MARKS, "\\p{N}" } },
    { .names = "bailingmoe bailingmoe2 llada-moe",
      .split = { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
                 "\\s+(?!\\S)|\\s+" } },
    { .names = "seed-coder",
      .split = { SHORT "|" WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at;) {
        const size_t len = strcspn(at, " ");
        if (len == n && !memcmp(at, word, n))
            return true;
        at += len + (at[len] == ' ');
    }
    return false;
}

const ts_gguf_pre *ts_gguf_pre_named(const char *name, size_t n)
{
    for (int i = 0; i < N_ROWS; i++)
        if (n && has_word(rows[i].names, name, n))
            return &rows[i];
    return NULL;
}

static bool cuts_alike(const ts_gguf_pre *a, const ts_gguf_pre *b)
{
    for (int i = 0; i < TS_GGUF_PRE_SPLITS; i++)
        if (!a->split[i] != !b->split[i] || (a->split[i] && strcmp(a->split[i], b->split[i])))
            return false;
    return a->digits == b->digits && a->gpt2 == b->gpt2;
}

const char *ts_gguf_pre_like(const ts_gguf_pre *p)
{
    const char *found = NULL;
    int best = -1;
    for (int i = 0; i < N_ROWS; i++) {
        const int like = 2 * (rows[i].ignore_merges == p->ignore_merges) + (rows[i].nfc == p->nfc);
        if (cuts_alike(&rows[i], p) && like > best) {
            best = like;
            found = rows[i].names;
        }
    }
    return found;
}

ts_status ts_gguf_pre_known(ts_str *out)
{
    ts_status st = TS_OK;
    for (int i = 0; i < N_ROWS && st == TS_OK; i++)
        st = ts_str_printf(out, "%s%s", i ? " " : "", rows[i].names);
    return st;
}
