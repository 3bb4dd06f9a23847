/* Text to token ids and back: encode TOKENIZER TEXT
 *
 * TOKENIZER is a Hugging Face folder, a tokenizer.json, a SentencePiece .model or a .tiktoken
 * file. */
#include <stdio.h>
#include <string.h>
#include <tessera/tokenizer.h>

static ts_status show(const ts_codec *codec, const char *text)
{
    int32_t *ids;
    size_t n_ids;
    char *back;
    ts_status st = ts_codec_encode(codec, text, strlen(text), TS_CODEC_ADD_SPECIAL, &ids, &n_ids);
    if (st != TS_OK)
        return st;
    for (size_t i = 0; i < n_ids; i++)
        printf("%6d  %s\n", (int)ids[i], ts_codec_token(codec, ids[i]));
    st = ts_codec_decode(codec, ids, n_ids, TS_CODEC_SKIP_SPECIAL, &back, NULL);
    ts_memory_free(ids);
    if (st != TS_OK)
        return st;
    printf("%zu tokens of %lld: %s\n", n_ids, (long long)ts_codec_vocab_size(codec), back);
    ts_memory_free(back);
    return TS_OK;
}

int main(int argc, char **argv)
{
    ts_codec *codec = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: %s TOKENIZER TEXT\n", argv[0]);
        return 2;
    }
    ts_status st = ts_codec_open(argv[1], NULL, 0, &codec);
    if (st == TS_OK)
        st = show(codec, argv[2]);
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    ts_codec_close(&codec);
    return ts_status_exit_code(st);
}
