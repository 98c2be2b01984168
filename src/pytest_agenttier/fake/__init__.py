"""The offline fake of the AgentTier Router."""
