# %% [markdown]
# # circle

# %%
1 + 1
