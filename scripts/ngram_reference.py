"""Embeddings of n-grams for goldens (LongCat-Flash-Lite, arXiv 2601.21204), which transformers has no class of: written from the
published description and the names of the published weights. Any precision.

    y = (word[x_t] + sum over n = 2..N, k < K of P_i T_i[h_i]) / (1 + K (N - 1)),    i = (n - 2) K + k
    h_i = (sum over j < n of x_(t-j) (V^j mod m_i)) mod m_i,    m_i = floor(ratio V) + 2 i + 1

Tokens before the last end of a text, that end among them, count as 0; an end itself still sees what is before it.
"""
import torch
from torch import nn


class NgramEmbedding(nn.Embedding):
    """The embedding of words, with tables of n-grams beside it."""

    def __init__(self, words, config):
        super().__init__(words.num_embeddings, words.embedding_dim, words.padding_idx)
        self.end, self.n, self.k = config.eos_token_id, config.emb_neighbor_num, config.emb_split_num
        tables = self.k * (self.n - 1)
        self.rows = [int(config.ngram_vocab_size_ratio * config.vocab_size) + 2 * i + 1 for i in range(tables)]
        width = words.embedding_dim // tables
        self.embedders = nn.ModuleList(nn.Embedding(rows, width, words.padding_idx) for rows in self.rows)
        self.post_projs = nn.ModuleList(nn.Linear(width, words.embedding_dim, bias=False) for _ in self.rows)

    def places(self, text, i):
        """Of one text, token by token, in whole numbers."""
        out = []
        for t, token in enumerate(text):
            h, j = token, 1
            while j < 2 + i // self.k and t - j >= 0 and text[t - j] != self.end:
                h += text[t - j] * pow(self.num_embeddings, j, self.rows[i])
                j += 1
            out.append(h % self.rows[i])
        return out

    def forward(self, tokens):
        y = super().forward(tokens)
        for i, (table, proj) in enumerate(zip(self.embedders, self.post_projs)):
            y = y + proj(table(torch.tensor([self.places(text, i) for text in tokens.tolist()])))
        return y / (1 + len(self.rows))
