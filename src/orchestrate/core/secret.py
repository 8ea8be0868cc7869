"""A value that must not be seen: every usual way of writing it down gives `********`."""

import hmac

MASK = "********"


class Secret:
    """Holds a text that only `reveal()` gives back. Equality takes the same time wherever it
    differs; there is no order, no length and no hash."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call it at the last moment, and do not keep what it returns."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle and YAML get the mask, which is not a Secret: nobody can use it as one."""
        return str, (MASK,)

    def __getstate__(self) -> None:
        return None

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__slots__ and not hasattr(self, name):
            object.__setattr__(self, name, value)
            return
        raise AttributeError("a secret does not change")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, object]:
        """Pydantic takes Secret objects only, and dumps the mask."""
        dumped = {"type": "function-plain", "function": str}
        return {"type": "is-instance", "cls": cls, "serialization": dumped}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, object]:
        return {"type": "string", "format": "password", "const": MASK}


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode(errors="surrogatepass")
