"""What becomes of clips: an MP4 that every browser plays, exactly as large and long as asked, its thumbnail, and true numbers.

A room without Django. `child` is what the rest of Conduit calls: it has the work done in a process of its own (`__main__`), which starts
fast and may be killed by a bad file. PyAV is loaded there alone: nothing is imported here, nor by `child`, `errors`, `facts` and `cutting`,
that would bring it into every other process.
"""
