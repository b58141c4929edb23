"""OpenAI's Videos API. Its own service ended in September 2026; its wire is what its SDKs, LiteLLM and load generators speak.

Read from the SDKs' code (openai 2.8 and 3.57 for Python, 7 for Node), which is where each remark about clients comes from.
"""
