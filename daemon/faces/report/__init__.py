"""``chaosd report``: the journal judged again and shown to people (HTML, Markdown) and programs (JSON, JUnit).

``collect`` reads and judges, ``statistics`` estimates, ``objectives`` fills the KPI table, ``content`` puts all of
it into one plain document; every format is made from that document alone. A new section is a key of the
document and a file in ``templates/sections``.
"""
