"""Page tokens of the sample's server: a kind of list and numbers, which clients pass on as they are."""

import base64
import binascii


def token(kind: str, *numbers: int) -> str:
    """Make a token."""
    return base64.urlsafe_b64encode(":".join([kind, *map(str, numbers)]).encode()).decode()


def of_token(kind: str, page_token: str) -> list[int]:
    """Give the numbers of a token.

    Raises:
        ValueError: it is no token of this kind.
    """
    try:
        said, *numbers = base64.urlsafe_b64decode(page_token).decode().split(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(page_token) from error
    if said != kind:
        raise ValueError(page_token)
    return [int(number) for number in numbers]
