# %% [markdown]
# # from_the_foundations

# %%
1 + 1
