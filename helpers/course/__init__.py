"""The course as a product: command line, runner, editions, question records, book.

Knows the notebooks only as files. Nothing in `helpers.<subject>` imports this package.
"""
