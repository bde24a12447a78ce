"""The small package that the course's notebooks import.

Two floors, one staircase: notebooks import ``helpers.<subject>``; ``helpers.course`` is the course
as a product (command line, runner, book) and knows notebooks only as files. Nothing in
``helpers.<subject>`` imports ``helpers.course``. Importing any module here stays cheap: heavy
libraries are imported inside the functions that use them.
"""

__version__ = "0.1.0"
