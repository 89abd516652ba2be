"""How git writes a value in a configuration file, and how it reads it back (git-config(1), "Values")."""

_WRITTEN = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_READ = {"n": "\n", "t": "\t", "b": "\b"}


def written(value: str) -> str:
    """Return a value as git writes it: in quotes where a comment or a space would change it, and escaped."""
    escaped = "".join(_WRITTEN.get(sign, sign) for sign in value)
    needs_quotes = value != value.strip() or any(sign in value for sign in "#;\r")
    return f'"{escaped}"' if needs_quotes else escaped


def read(text: str) -> str:
    """Return what the rest of a line after the equals sign stands for."""
    kept: list[str] = []
    length, quoted, signs = 0, False, iter(text.strip())
    for sign in signs:
        if sign == '"':
            quoted = not quoted
            continue
        if sign in "#;" and not quoted:
            break
        escaped = sign == "\\"
        named = next(signs, "") if escaped else sign
        kept.append(_READ.get(named, named) if escaped else sign)
        if quoted or escaped or not sign.isspace():
            length = len(kept)
    return "".join(kept[:length])
