"""``chaosd report``: the journal judged again and shown to people (HTML, Markdown) and programs (JSON, JUnit).

``collect`` reads and judges, ``trials`` sets scenario runs beside their injections and takes out what the baseline
shows too, ``statistics`` estimates, ``invariants``, ``objectives``, ``stages`` and ``waterfall`` make the tables,
``content`` puts all of it into one plain document; every format is made from that document alone. A new section is
a key of the document and a file in ``templates/sections``.
"""
