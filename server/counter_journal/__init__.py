"""Counter journals: what every node accepted, kept outside the store for the day it is restored."""
