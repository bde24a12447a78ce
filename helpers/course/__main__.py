"""`python -m helpers.course` is the console script `course`."""

from helpers.course.cli import main

if __name__ == "__main__":
    main()
