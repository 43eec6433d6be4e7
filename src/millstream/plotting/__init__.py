"""A picture of results: users over time, a panel for each size of windows.

Theory of operation: `reading` collects records into columns and keeps the highest revision of each window, `panels`
draws the windows of one size in the way that suits their number, and `picture` puts panels on a page. Drawing is
matplotlib's, which is an optional extra: nothing imports this package before a picture is asked for.
"""
