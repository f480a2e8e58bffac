"""What services that know people and programs by derived names and secrets have in common: the keyring."""

from actors.clocks import wall_ms
from actors.errors import Reject
from actors.ports import Keys
from actors.principal import Principal
from gateway.deriving import Derived
from gateway.steps import Given, Steps, TypedService
from gateway.tokens import sign


class Vault:
    """The keyring, and what follows from its root key."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.derived = Derived(keys)

    def token(self, principal: Principal) -> str:
        """A token for this principal, good as long as one of its role is at most."""
        return sign(self.keys, principal, wall_ms())


class KeyedService(TypedService):
    """The base of a typed service that derives from the keyring; `vault` is None where there is none."""

    def __init__(self, given: Given, keys: Keys | None) -> None:
        super().__init__(given)
        self.vault = None if keys is None else Vault(keys)

    def open(self, steps: Steps) -> Vault:
        """Raises Reject where nobody proves who they are: a token would be given to whoever asks for it."""
        if self.vault is None or steps.principal is None:
            raise Reject("no_keyring", next="start the platform with HUTONG_IDENTITY_REQUIRED=true")
        return self.vault
