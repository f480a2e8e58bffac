"""Accounts in the memory of one process: what a Ray actor and a Serve replica hold. Lost with the process."""


class Accounts:
    """Balances, and what each request id came to. Nothing is written down, and nothing forgotten."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._answers: dict[str, int] = {}

    def pay(self, key: str, request_id: str, amount: int) -> int:
        """Add the amount once; the balance after it."""
        if request_id not in self._answers:
            self._balances[key] = self._balances.get(key, 0) + amount
            self._answers[request_id] = self._balances[key]
        return self._answers[request_id]

    def balance(self, key: str) -> int:
        """What the key holds."""
        return self._balances.get(key, 0)
