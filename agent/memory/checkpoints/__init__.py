"""Where LangGraph keeps where a study stands."""
