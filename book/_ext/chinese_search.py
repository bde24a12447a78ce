"""Sphinx extension: full-text search that finds Chinese words beside English ones.

Sphinx takes a run of Chinese characters for one word. Here every run is indexed as its characters
and its pairs of neighbours, and a query is cut into pairs in the same way, so a page matches when
it holds every pair of the words asked for.
"""

from __future__ import annotations

import re

from sphinx.search.en import SearchEnglish

# CJK unified ideographs with extension A and the compatibility block.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_HAN}]+|[^\W{_HAN}]+")

_JAVASCRIPT = r"""
var splitQuery = function (query) {
  var han = "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff";
  var word = new RegExp("[" + han + "]+|[\\p{Letter}\\p{Number}_\\p{Emoji_Presentation}]+", "gu");
  var piece = new RegExp("[" + han + "]+|[^" + han + "]+", "gu");
  var chinese = new RegExp("[" + han + "]", "u");
  var words = [];
  (query.match(word) || []).forEach(function (token) {
    token.match(piece).forEach(function (part) {
      if (!chinese.test(part) || part.length === 1) {
        words.push(part);
        return;
      }
      for (var place = 0; place + 1 < part.length; place++) {
        words.push(part.slice(place, place + 2));
      }
    });
  });
  return words;
};
"""


def pairs(text: str) -> list[str]:
    """The words under which `text` is indexed: English words, Chinese characters and pairs."""
    words: list[str] = []
    for token in _TOKEN.findall(text):
        if not re.match(rf"[{_HAN}]", token):
            words.append(token)
            continue
        words.extend(token)
        words.extend(token[place : place + 2] for place in range(len(token) - 1))
    return words


class SearchEnglishAndChinese(SearchEnglish):
    """English search with its stemmer and stop words, Chinese by characters and pairs."""

    js_splitter_code = _JAVASCRIPT

    def split(self, input: str) -> list[str]:
        return pairs(input)


def setup(app):
    # Registered under "en", the language of the book's pages, in place of Sphinx's own.
    app.add_search_language(SearchEnglishAndChinese)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
