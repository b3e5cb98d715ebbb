"""The moving room: stores of the reference server come in and go out, as the files it knows."""
