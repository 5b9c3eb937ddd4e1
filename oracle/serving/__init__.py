"""From a race card on the wire to a ranked answer: messages, the gateway that answers, the app on Ray Serve.

`messages`, `fields` and `body` say what a card may look like; `version` is one model version in memory; `gateway`
answers cards with it and is a plain class; `http` gives it an address; `app` is the only module here that knows Ray.
"""
